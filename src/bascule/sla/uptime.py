"""How long services were there, or not looked at: time, not a mean of ratios, and a gap is neither up nor down."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bascule.prometheus import Prometheus
from bascule.promql import UP, said_by
from bascule.sla.pieces import Floats, Key, Pieces, key_of, read
from bascule.spec import Spec
from bascule.spec.slas import serving_services

_PROBE_SECONDS: Final = 900.0
_NEIGHBOURS: Final = 12  # pieces on each side from which the usual number of samples is learnt
Readings = Mapping[Key, Floats]


@dataclass(frozen=True, eq=False)
class WatchedTarget:
    """One target that is scraped: the `samples` in each piece, the seconds it was `watched`, and `up`; (n,) each."""

    job: str
    instance: str
    samples: Floats
    watched: Floats
    up: Floats


@dataclass(frozen=True, eq=False)
class ServiceTime:
    """Seconds that a service was `up` and `watched` in each piece, (n,) each: those of its usual number of targets."""

    up: Floats
    watched: Floats


@dataclass(frozen=True, eq=False)
class Uptime:
    """Everything scrapes tell of a span, and when each target was first `scraped`.

    `answering`: every target by `up` alone, which tells whether its series could be read. `services`: those that serve
    and were scraped. `silent`: those among them whose exporter says nothing of them.
    """

    services: Mapping[str, ServiceTime]
    answering: tuple[WatchedTarget, ...] = ()
    silent: tuple[str, ...] = ()
    scraped: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def scraped_since(self, targets: Iterable[tuple[str, str]]) -> Floats:
        """When each target was first scraped, Unix seconds; infinity for one that never was."""
        return np.array([self.scraped.get(target, math.inf) for target in targets])


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
    up = read(prometheus, lambda d: f"sum_over_time(up[{d}])", pieces)
    count = read(prometheus, lambda d: f"count_over_time(up[{d}])", pieces)
    interval = cache(lambda samples: _intervals(np.frombuffer(samples), pieces))  # most targets have as many
    answering = tuple(_target(key, up[key], np.nan_to_num(row), interval) for key, row in _in_order(count))
    said = {
        name: _said(prometheus, name, metric, pieces)
        for name, service in spec.services.items()
        if (metric := said_by(service)) not in ("", UP)
    }
    services: dict[str, ServiceTime] = {}
    for name in serving_services(spec):
        targets = [target for target in answering if target.job == name]
        if targets:
            services[name] = _service_time(targets, said.get(name), pieces)
    silent = tuple(name for name, row in said.items() if name in services and np.isnan(row).all())
    return Uptime(services, answering, silent, _first_seen(prometheus, count, pieces))


def _in_order(readings: Readings) -> list[tuple[Key, Floats]]:
    return sorted(readings.items(), key=lambda item: (_identity(item[0]), sorted(item[0])))


def _target(key: Key, up: Floats, samples: Floats, interval: Callable[[bytes], Floats]) -> WatchedTarget:
    """`interval`: the seconds that one sample represents, by piece, of a target with so many samples in each."""
    seconds = interval(samples.tobytes())
    return WatchedTarget(*_identity(key), samples, samples * seconds, np.nan_to_num(up) * seconds)


def _said(prometheus: Prometheus, job: str, metric: str, pieces: Pieces) -> Floats:
    """In how many scrapes of a piece a service's exporter said that it is there; NaN where it said nothing."""
    rows = read(prometheus, lambda d: f'sum by (job) (sum_over_time({metric}{{job="{job}"}}[{d}]))', pieces)
    return next(iter(rows.values()), np.full(len(pieces), np.nan))


def _service_time(targets: Iterable[WatchedTarget], said: Floats | None, pieces: Pieces) -> ServiceTime:
    """A service's targets together. `said`: the scrapes that found it there, where an exporter tells."""
    samples, watched, up = np.sum([(target.samples, target.watched, target.up) for target in targets], axis=0)
    if said is not None:
        up = np.nan_to_num(said) * watched / np.maximum(samples, 1)
    width = max(1, round(float(np.max(watched / pieces.lengths))))
    return ServiceTime(up / width, watched / width)


def _intervals(count: Floats, pieces: Pieces) -> Floats:
    """Seconds that one sample represents, by piece: the usual spacing near it, so that gaps do not stretch it."""
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


def _first_seen(prometheus: Prometheus, count: Readings, pieces: Pieces) -> dict[tuple[str, str], float]:
    """When each target was first scraped: to the sample, in the piece where it first appears."""
    first: dict[tuple[str, str], float] = {}
    for k in sorted({int(np.flatnonzero(~np.isnan(row))[0]) for row in count.values()}):
        begin, end = float(pieces.edges[k]), float(pieces.edges[k + 1])
        reach = end - begin + (_PROBE_SECONDS if k == 0 else 0.0)
        for series in prometheus.raw("up", reach, at=end):
            if series.times.size:
                first.setdefault(_identity(key_of(series)), float(series.times[0]))
    return first


def _identity(key: Key) -> tuple[str, str]:
    labels = dict(key)
    return labels.get("job", ""), labels.get("instance", "")
