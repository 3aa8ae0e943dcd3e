"""How long services were there, or not looked at: time, not a mean of ratios, and a gap is neither up nor down.

Each second of a service counts the same, whatever its number of targets then: half of it is up where one of two is.
Where every target is watched through a piece, or one alone is, their counts of samples tell that. Where targets come
or go within a piece, the samples themselves do (shared.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bascule.prometheus import Prometheus
from bascule.promql import UP, said_by
from bascule.sla.pieces import Floats, Key, Pieces, key_of, read
from bascule.sla.shared import LATE, shared_seconds
from bascule.spec import Spec
from bascule.spec.slas import serving_services

_PROBE_SECONDS: Final = 900.0
_NEIGHBOURS: Final = 12  # pieces on each side from which the usual number of samples is learnt
_MILLISECOND: Final = 0.001
_NOTHING: Final = 1e-9
_SPARSE: Final = 1.1  # times the spacing of another target: one that was there for a part of the time alone
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
    """Seconds that a service was `up` and `watched` in each piece, (n,) each, shared by the targets of each second."""

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
            read_samples = partial(_shared, prometheus, name, said_by(spec.services[name]), pieces)
            services[name] = service_time(targets, said.get(name), pieces, read_samples)
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


def service_time(
    targets: Sequence[WatchedTarget],
    said: Floats | None,
    pieces: Pieces,
    read_samples: Callable[[int, float], tuple[float, float]],
) -> ServiceTime:
    """A service's targets together. `said`: the scrapes that found it there, where an exporter tells.

    `read_samples` takes a piece and the usual spacing of samples in it, and gives its seconds up and watched.
    """
    samples = np.array([target.samples for target in targets])
    spacing = _spacing(samples, np.array([target.watched for target in targets]))
    watched = samples * spacing
    total = watched.sum(axis=0)
    found = _scrapes_up(targets) if said is None else np.nan_to_num(said)
    up = found * total / np.maximum(samples.sum(axis=0), 1)
    number = np.maximum((samples > 0).sum(axis=0), 1)
    is_whole = (samples > 0) & (watched > pieces.lengths - LATE * spacing)
    told = np.array([up / number, total / number])
    for piece in np.flatnonzero((number > 1) & (is_whole.sum(axis=0) < number)):
        is_plain = is_whole[:, piece].any() and up[piece] >= total[piece] * (1 - _NOTHING)
        usual = float(spacing[:, piece].max())
        told[:, piece] = watched[:, piece].max() if is_plain else read_samples(int(piece), usual)
    return ServiceTime(*told)


def _spacing(samples: Floats, watched: Floats) -> Floats:
    """Seconds that one sample of each target represents, by piece (targets, n): alike for all targets of a service.

    Of one that was there for a part of a piece alone, its own samples tell no spacing.
    """
    own = np.divide(watched, samples, out=np.full_like(watched, np.inf), where=samples > 0)
    least = own.min(axis=0)
    alike = np.where(own > _SPARSE * least, least, own)
    return np.where(np.isfinite(alike), alike, 0.0)


def _scrapes_up(targets: Iterable[WatchedTarget]) -> Floats:
    """In how many scrapes of a piece its targets were up."""
    shares = [np.divide(t.up, t.watched, out=np.zeros_like(t.up), where=t.watched > 0) * t.samples for t in targets]
    return np.asarray(np.sum(shares, axis=0), dtype=np.float64)


def _shared(
    prometheus: Prometheus, job: str, metric: str, pieces: Pieces, piece: int, interval: float
) -> tuple[float, float]:
    """Seconds up and watched of a service in a piece, from its samples. `metric` tells whether it is there."""
    begin, end = float(pieces.edges[piece]), float(pieces.edges[piece + 1])
    reach = end - begin - _MILLISECOND  # a sample exactly at the beginning is of the piece before
    scrapes = prometheus.raw(f'{UP}{{job="{job}"}}', reach, at=end)
    found = scrapes if metric == UP else prometheus.raw(f'{metric}{{job="{job}"}}', reach, at=end)
    up, watched = shared_seconds(scrapes, found, interval)
    fits = min(1.0, (end - begin) / watched) if watched > 0 else 1.0  # the first samples tell of the time before, too
    return up * fits, watched * fits


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
