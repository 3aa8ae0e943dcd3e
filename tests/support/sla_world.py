"""A month that is known exactly: what eight services did, tick by tick, and what a Prometheus saw of it.

Everything an SLA report must get right happens in it: down-time with counters reset, restarts without down-time,
error bursts, slow hours, an idle night, a planned maintenance, six hours without any scrape while the services went
on counting, and 5xx series that do not exist before their first error. `World.truth_*` computes each figure from the
events themselves; `World.write` writes what was scraped as OpenMetrics text for promtool.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

BOUNDS = (0.05, 0.1, 0.2, 0.5, 1.0)
FAST = np.array([0.80, 0.175, 0.015, 0.006, 0.003, 0.001])
FASTER = np.array([0.93, 0.055, 0.010, 0.003, 0.001, 0.001])
SLOW = np.array([0.30, 0.40, 0.20, 0.06, 0.03, 0.01])
SERVICES = {
    "supersmartmatch-v1": "v1",
    "supersmartmatch-v2": "v2",
    "nexten-matcher": "",
    "profiles": "",
    "search": "",
    "mailer": "",
    "billing": "",
    "documents": "",
}
CELLS = (("enterprise", ""), ("api_partners", "acme"), ("api_partners", "globex"), ("freemium", ""), ("internal", ""))
MATCHING = ("supersmartmatch-v1", "supersmartmatch-v2")

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: supersmartmatch, title: SuperSmartMatch V2, timezone: Europe/Paris}
versions: {label: version, baseline: v1, candidate: v2}
services:
  supersmartmatch-v1: {targets: ["127.0.0.1:5000"], version: v1}
  supersmartmatch-v2: {targets: ["127.0.0.1:5001"], version: v2}
  nexten-matcher: {targets: ["127.0.0.1:5002"]}
  profiles: {targets: ["127.0.0.1:5003"]}
  search: {targets: ["127.0.0.1:5004"]}
  mailer: {targets: ["127.0.0.1:5005"]}
  billing: {targets: ["127.0.0.1:5006"]}
  documents: {targets: ["127.0.0.1:5007"]}
signals:
  errors: {kind: ratio, bad: 'http_requests_total{status=~"5.."}', total: http_requests_total, better: lower}
  latency: {kind: histogram, metric: http_request_duration_seconds, targets: {p95: 50ms}}
  accuracy: {kind: ratio, good: 'supersmartmatch_matches_total{success="True"}', total: supersmartmatch_matches_total,
             better: higher, target_gain: 13pt}
segments:
  label: user_segment
  enterprise: {latency: {p95: 50ms}, accuracy: 95%, availability: 99.9%}
  api_partners: {partner_label: partner, errors: 0.1%}
  freemium: {latency: {p95: 200ms}, accuracy: 85%}
  internal: {}
phases: [{share: 50%, hold: 1d}, {share: 100%, hold: 1d}]
slas:
  availability: {objective: 99.9%, window: 30d}
  response_time: {objective: "95% < 100ms", window: 30d}
  accuracy: {objective: 85%, gain: 13pt, window: 1d, aggregate: daily}
  error_rate: {objective: "< 1%", window: 24h}
  states: {warning: 90%, recovery: 15m}
maintenance: []
"""


@dataclass
class Cell:
    """What one service did for one segment and partner: events by tick, (n,) and (n, bounds + 1)."""

    errors: np.ndarray
    buckets: np.ndarray
    matches: np.ndarray
    successes: np.ndarray

    @property
    def requests(self) -> np.ndarray:
        return self.buckets.sum(axis=1)


@dataclass
class World:
    """`times` (n,): the instants of scrapes. Tick k's events fall into (times[k - 1], times[k]]."""

    times: np.ndarray
    interval: float
    up: dict[str, np.ndarray]  # by service: answers its scrape at this tick
    resets: dict[str, np.ndarray]  # by service: its counters are zero again from this tick on
    scraped: np.ndarray  # a scrape took place at all
    cells: dict[tuple[str, str, str], Cell]
    maintenance: tuple[float, float, str]  # start, end, service
    _shown: dict = field(default_factory=dict)

    # ---------------------------------------------------------------- truth

    def shown_at(self, service: str) -> np.ndarray:
        """For each tick, the tick of the scrape that first showed its events; -1 where a reset wiped them out."""
        visible = self.scraped & self.up[service]
        shown = np.full(len(self.times), -1)
        ahead = -1
        for k in range(len(self.times) - 1, -1, -1):
            ahead = k if visible[k] else ahead
            shown[k] = ahead
            if self.resets[service][k]:
                ahead = -1  # what was counted before this instant is gone unless a scrape saw it
        if not self.resets[service][: int(np.argmax(visible)) + 1].any():
            shown[: int(np.argmax(visible)) + 1] = -1  # the first scrape cannot tell what is new in it
        return shown

    def shown(self, what: str, cell: tuple[str, str, str]) -> np.ndarray:
        """A cell's events, each at the tick of the scrape that first showed it: finer than that nobody can know."""
        if (what, cell) not in self._shown:
            events = getattr(self.cells[cell], what)
            at = self.shown_at(cell[0])
            moved = np.zeros_like(events)
            np.add.at(moved, at[at >= 0], events[at >= 0])
            self._shown[what, cell] = moved
        return self._shown[what, cell]

    def kept(self, service: str, start: float, end: float) -> np.ndarray:
        """The ticks of a window, less this service's planned maintenance."""
        begin, stop, planned = self.maintenance
        inside = (self.times > start) & (self.times <= end)
        if planned == service:
            inside &= ~((self.times > begin) & (self.times <= stop))
        return inside

    def counted(
        self,
        what: str,
        start: float,
        end: float,
        service: str = "",
        version: str = "",
        segment: str = "",
        partner: str = "",
    ) -> float | np.ndarray:
        """The events of a window: `requests`, `errors`, `matches`, `successes` or `buckets` (not cumulative).

        Only those of the two versions: what other services answer is no part of the migration.
        """
        total: float | np.ndarray = 0.0
        for job, group, who in self.cells:
            asked = (
                SERVICES[job],
                service in ("", job),
                version in ("", SERVICES[job]),
                segment in ("", group),
                partner in ("", who),
            )
            if all(asked):
                ticks = self.kept(job, start, end)
                total = total + self.shown(what, (job, group, who))[ticks].sum(axis=0)
        return total

    def uptime(self, service: str, start: float, end: float) -> tuple[float, float]:
        """Seconds up and seconds watched."""
        ticks = self.kept(service, start, end) & self.scraped
        return float((ticks & self.up[service]).sum() * self.interval), float(ticks.sum() * self.interval)

    # ---------------------------------------------------------------- what was scraped

    def series(self) -> Iterator[tuple[str, dict[str, str], np.ndarray, np.ndarray]]:
        """(metric, labels, times, values) of every series, grouped by metric."""
        for job in SERVICES:
            yield "up", _target(job), self.times[self.scraped], self.up[job][self.scraped].astype(float)
        yield from self._counters("http_requests_total", self._statuses)
        yield from self._counters("http_request_duration_seconds_bucket", self._buckets)
        yield from self._counters("supersmartmatch_matches_total", self._matches)

    def _counters(self, metric, of_cell) -> Iterator[tuple[str, dict[str, str], np.ndarray, np.ndarray]]:
        for (job, segment, partner), cell in self.cells.items():
            labels = _target(job) | {"user_segment": segment, "partner": partner or "none"}
            if SERVICES[job]:
                labels["version"] = SERVICES[job]
            for more, events, from_start in of_cell(job, cell):
                values = self._counter(job, events) + (self._life_before(job) if from_start else 0.0)
                visible = self.scraped & self.up[job]
                if not from_start:
                    visible &= self._exists(job, events)
                yield metric, labels | more, self.times[visible], values[visible]

    def _statuses(self, job: str, cell: Cell):
        yield {"status": "200"}, cell.requests - cell.errors, True
        yield {"status": "503"}, cell.errors, False

    def _buckets(self, job: str, cell: Cell):
        cumulative = cell.buckets.cumsum(axis=1)
        for index, bound in enumerate((*BOUNDS, "+Inf")):
            yield {"le": str(bound)}, cumulative[:, index], True

    def _matches(self, job: str, cell: Cell):
        if job in MATCHING:
            yield {"success": "True"}, cell.successes, True
            yield {"success": "False"}, cell.matches - cell.successes, True

    def _counter(self, job: str, events: np.ndarray) -> np.ndarray:
        """Running totals that begin again at each reset."""
        values = np.cumsum(events).astype(float)
        for k in np.flatnonzero(self.resets[job]):
            values[k:] -= values[k] - events[k]
        return values

    def _life_before(self, job: str) -> np.ndarray:
        """What was counted before the first scrape; gone with the first reset."""
        return np.where(np.cumsum(self.resets[job]) == 0, 1000.0, 0.0)

    def _exists(self, job: str, events: np.ndarray) -> np.ndarray:
        """Whether a series without zero initialisation is there: from its first event after each reset on."""
        life = np.cumsum(self.resets[job])
        exists = np.zeros(len(events), dtype=bool)
        for number in np.unique(life):
            mine = life == number
            exists[mine] = np.cumsum(events[mine]) > 0
        return exists

    def write(self, path: Path) -> int:
        """OpenMetrics text for promtool; returns the number of samples."""
        samples, last = 0, ""
        with path.open("w") as out:
            for metric, labels, times, values in self.series():
                if metric != last:
                    out.write(_type_line(metric))
                    last = metric
                text = ",".join(f'{name}="{value}"' for name, value in labels.items())
                head = f"{metric}{{{text}}} "
                pairs = zip(values.tolist(), times.tolist(), strict=True)
                out.write("".join([f"{head}{value:.0f} {time:.0f}\n" for value, time in pairs]))
                samples += len(times)
            out.write("# EOF\n")
        return samples


def _target(job: str) -> dict[str, str]:
    port = 5000 + list(SERVICES).index(job)
    return {"job": job, "instance": f"127.0.0.1:{port}"}


def _type_line(metric: str) -> str:
    """Series are written one by one, so every family is `unknown`: promtool then asks for no order among labels."""
    return f"# TYPE {metric} unknown\n"


def build(seed: int, start: float, days: float, interval: float) -> World:
    """A world of `days` from `start` (Unix seconds), scraped every `interval` seconds."""
    random = np.random.default_rng(seed)
    times = start + interval * np.arange(1, round(days * 86400 / interval) + 1)
    size = len(times)
    scraped = np.ones(size, dtype=bool)
    up, resets = {}, {}
    for job in SERVICES:
        up[job], resets[job] = _life(random, times)
    planned_for = str(random.choice(list(SERVICES)))
    window = times[_stretch(random, times, 2 * 3600)]
    maintenance = (float(window[0] - interval), float(window[-1]), planned_for)
    during = (times > maintenance[0] + interval) & (times <= maintenance[1] - interval)
    up[planned_for] &= ~during
    resets = {job: resets[job] | _returns(up[job]) for job in up}
    scraped[_gap(random, times, resets)] = False
    cells = {(job, *cell): _cell(random, times, interval, job, up[job]) for job in SERVICES for cell in CELLS}
    return World(times, interval, up, resets, scraped, cells, maintenance)


def _gap(random: np.random.Generator, times: np.ndarray, resets: dict[str, np.ndarray]) -> np.ndarray:
    """Six hours without a scrape (less in a short world). A reset in them must be one that counters can show at all:
    after a long life."""
    length = min(6 * 3600.0, (times[-1] - times[0]) / 20)
    for _ in range(1000):
        gap = _stretch(random, times, length)
        if all(_shows(np.flatnonzero(row), gap) for row in resets.values()):
            return gap
    raise ValueError("no gap fits this world; take another seed")


def _shows(resets: np.ndarray, gap: np.ndarray) -> bool:
    inside = resets[(resets >= gap[0]) & (resets <= gap[-1] + 1)]
    before = resets[resets < gap[0]]
    lived = gap[0] - (before[-1] if before.size else 0)
    return not inside.size or bool(lived > 4 * (gap[-1] - inside[-1] + 2))


def _stretch(random: np.random.Generator, times: np.ndarray, seconds: float) -> np.ndarray:
    """The indices of a stretch somewhere in the middle of the span."""
    interval = times[1] - times[0]
    length = max(2, round(seconds / interval))
    first = int(random.integers(len(times) // 8, len(times) * 7 // 8 - length))
    return np.arange(first, first + length)


def _life(random: np.random.Generator, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Up by tick, with one or two outages, and a restart that no scrape noticed."""
    up = np.ones(len(times), dtype=bool)
    for _ in range(int(random.integers(0, 3))):
        up[_stretch(random, times, float(random.choice([600, 1800, 5400])))] = False
    resets = np.zeros(len(times), dtype=bool)
    resets[int(random.integers(len(times) // 8, len(times) - 2))] = True
    return up, resets


def _returns(up: np.ndarray) -> np.ndarray:
    """A process that comes back counts from zero."""
    return up & ~np.concatenate([[True], up[:-1]])


def _cell(random: np.random.Generator, times: np.ndarray, interval: float, job: str, up: np.ndarray) -> Cell:
    size = len(times)
    rate = float(random.uniform(0.02, 0.2)) * (1 + 0.7 * np.sin(2 * np.pi * times / 86400))
    night = _stretch(random, times, 5 * 3600)
    rate[night] = 0.0
    requests = random.poisson(rate * interval) * up
    mix = np.tile(FASTER if job.endswith("v2") else FAST, (size, 1))
    mix[_stretch(random, times, 4 * 3600)] = SLOW
    buckets = random.multinomial(requests, mix)
    failing = np.full(size, float(random.choice([0.0, 0.0002, 0.001])))
    if random.random() < 0.4:
        failing[_stretch(random, times, 3 * 3600)] = float(random.choice([0.02, 0.2]))
    errors = random.binomial(requests, failing)
    matches = random.binomial(requests, 0.7) if job in MATCHING else np.zeros(size, dtype=int)
    successes = random.binomial(matches, 0.955 if job.endswith("v2") else 0.82)
    return Cell(errors, buckets, matches, successes)
