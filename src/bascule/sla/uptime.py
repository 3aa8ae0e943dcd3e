"""When targets were up, down, or not looked at: time, not a mean of ratios, and a gap is neither up nor down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bascule.prometheus import Prometheus
from bascule.sla.pieces import Floats, Key, Pieces, key_of, read
from bascule.spec import Spec

_PROBE_SECONDS: Final = 900.0
_NEIGHBOURS: Final = 12  # pieces on each side from which the usual number of samples is learnt
_OF_KIND: Final = {"redis": "redis_up", "nginx": "nginx_up"}  # through an exporter, `up` is the exporter's own
_SERVING_KINDS: Final = ("application", "nginx", "redis")


@dataclass(frozen=True, eq=False)
class Target:
    """One target: the seconds it was `up` and `watched` in each piece, (n,) each."""

    job: str
    instance: str
    up: Floats
    watched: Floats


@dataclass(frozen=True, eq=False)
class Uptime:
    """All targets of a span, and when each was first `scraped`.

    `fallback`: services judged by their exporter's `up` for want of better.
    """

    targets: tuple[Target, ...]
    answering: tuple[Target, ...] = ()  # every scraped target, by `up` alone: whether its series could be read
    fallback: tuple[str, ...] = ()
    scraped: dict[tuple[str, str], float] = field(default_factory=dict)

    def of(self, job: str) -> list[Target]:
        return [target for target in self.targets if target.job == job]

    def watched_before(self, job: str, instance: str, time: float) -> bool:
        """Whether a target was already being scraped before `time`."""
        first = self.scraped.get((job, instance))
        return first is not None and first < time - 0.001


def interval_of(prometheus: Prometheus, start: float, end: float, otherwise: float) -> float:
    """Seconds between samples of `up`, measured; `otherwise` when the span shows none."""
    reach = min(_PROBE_SECONDS, end - start)
    for at in (end, start + reach, (start + end) / 2):
        steps = [np.median(np.diff(s.times)) for s in prometheus.raw("up", reach, at=at) if len(s.times) > 2]
        if steps:
            return round(float(max(steps)), 3)
    return otherwise


def read_uptime(prometheus: Prometheus, spec: Spec, pieces: Pieces) -> Uptime:
    """The up-time of every declared service that serves; hosts and other exporters are not services."""
    scraped_up, scraped_count = _sums(prometheus, "up", pieces)
    scraped = _first_seen(prometheus, scraped_count, pieces)
    targets: list[Target] = []
    fallback: list[str] = []
    for name, service in spec.services.items():
        if service.kind not in _SERVING_KINDS:
            continue
        metric = _OF_KIND.get(service.kind)
        own = _sums(prometheus, f'{metric}{{job="{name}"}}', pieces) if metric else ({}, {})
        if metric and not own[1]:
            fallback.append(name)
        up, count = own if own[1] else (scraped_up, scraped_count)
        targets += _targets(name, up, count, pieces)
    answering = [
        t for job in sorted({job for job, _ in scraped}) for t in _targets(job, scraped_up, scraped_count, pieces)
    ]
    return Uptime(tuple(targets), tuple(answering), tuple(fallback), scraped)


def _sums(prometheus: Prometheus, selector: str, pieces: Pieces) -> tuple[dict[Key, Floats], dict[Key, Floats]]:
    up = read(prometheus, lambda d: f"sum_over_time({selector}[{d}])", pieces)
    count = read(prometheus, lambda d: f"count_over_time({selector}[{d}])", pieces)
    return up, count


def _targets(job: str, up: dict[Key, Floats], count: dict[Key, Floats], pieces: Pieces) -> Iterable[Target]:
    for key, row in sorted(count.items(), key=lambda item: sorted(item[0])):
        if _identity(key)[0] != job:
            continue
        seen = np.nan_to_num(row)
        interval = _intervals(seen, pieces)
        yield Target(job, _identity(key)[1], np.nan_to_num(up[key]) * interval, seen * interval)


def _intervals(count: Floats, pieces: Pieces) -> Floats:
    """Seconds that one sample stands for, by piece: the usual spacing near it, so that gaps do not stretch it."""
    usable = (count > 0) & (pieces.lengths > pieces.step * 0.999)
    density = np.where(usable, count / pieces.lengths, np.nan)
    if not usable.any():
        return np.where(count > 0, pieces.lengths / np.maximum(count, 1), 0.0)
    padded = np.pad(density, _NEIGHBOURS, constant_values=np.nan)
    near = sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
    lonely = np.isnan(near).all(axis=1)
    usual = np.full(len(pieces), float(np.nanmedian(density)))
    usual[~lonely] = np.nanmedian(near[~lonely], axis=1)
    return np.asarray(1.0 / usual, dtype=np.float64)


def _first_seen(prometheus: Prometheus, count: dict[Key, Floats], pieces: Pieces) -> dict[tuple[str, str], float]:
    """When each target was first scraped: to the sample, in the piece where it first appears."""
    first: dict[tuple[str, str], float] = {}
    for k in sorted({_first_piece(row) for row in count.values()}):
        begin, end = float(pieces.edges[k]), float(pieces.edges[k + 1])
        reach = end - begin + (_PROBE_SECONDS if k == 0 else 0.0)
        for series in prometheus.raw("up", reach, at=end):
            if series.times.size:
                first.setdefault(_identity(key_of(series)), float(series.times[0]))
    return first


def _first_piece(row: Floats) -> int:
    return int(np.flatnonzero(~np.isnan(row))[0])


def _identity(key: Key) -> tuple[str, str]:
    labels = dict(key)
    return labels.get("job", ""), labels.get("instance", "")
