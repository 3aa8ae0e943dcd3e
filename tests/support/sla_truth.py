"""Holding a report against the world it was made of: every figure, computed from the events themselves."""

from __future__ import annotations

import itertools
import json
import math
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bascule.processes import programs
from bascule.prometheus import Prometheus
from bascule.sla import Assessment, JournalSpan, ObjectiveReport, PartReport, Planned, Report, WindowFigure
from bascule.slo import Goal, SloKind
from bascule.spec.growth import INTERVAL_SECONDS, growth_rules

EXACT = 1e-9


def write_blocks(openmetrics: Path, storage: Path) -> None:
    """Turn OpenMetrics text into blocks of a Prometheus, in one block so that it stays fast."""
    promtool("tsdb", "create-blocks-from", "--max-block-duration=1488h", "openmetrics", str(openmetrics), str(storage))


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        [str(programs.find("promtool")), *arguments], capture_output=True, text=True, env=_environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, **programs.environment()}


def backfill_rules(client: Prometheus, spec, world, folder: Path, storage: Path) -> None:
    """Evaluate the growth rules over the whole past, with the real promtool."""
    rules = [{"record": rule.record, "expr": rule.expr} for rule in growth_rules(spec)]
    group = {"name": "sla-growth.rules", "interval": f"{INTERVAL_SECONDS:g}s", "rules": rules}
    (folder / "rules.yml").write_text(json.dumps({"groups": [group]}))
    start, end = f"{world.times[0]:.0f}", f"{world.times[-1]:.0f}"
    promtool(
        "tsdb",
        "create-blocks-from",
        "rules",
        f"--start={start}",
        f"--end={end}",
        f"--url={client.url}",
        f"--output-dir={storage}",
        f"--eval-interval={INTERVAL_SECONDS:g}s",
        str(folder / "rules.yml"),
    )


@contextmanager
def prometheus(storage: Path, folder: Path, config: str = "") -> Iterator[Prometheus]:
    """A real Prometheus on blocks that are already there; it scrapes nothing unless the config says so."""
    (folder / "prometheus.yml").write_text(config)
    port = free_port()
    command = [
        str(programs.find("prometheus")),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={storage}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command, env=_environment())
    client = Prometheus(f"http://127.0.0.1:{port}", timeout=60)
    try:
        deadline = time.monotonic() + 30
        while not client.is_ready():
            assert process.poll() is None, "prometheus ended"
            assert time.monotonic() < deadline, "prometheus did not become ready"
            time.sleep(0.02)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def journal_of(world) -> JournalSpan:
    start, end, service = world.maintenance
    return JournalSpan(True, maintenance=(Planned(start, end, "database upgrade", (service,)),))


class Check:
    """Counts the figures held against the truth, and keeps those that differ."""

    def __init__(self, world) -> None:
        self.world = world
        self.figures = 0
        self.wrong: list[str] = []

    def equal(self, what: str, ours: float | None, truth: float | None, tolerance: float = EXACT) -> None:
        self.figures += 1
        same = ours is truth or (
            ours is not None
            and truth is not None
            and (ours == truth or math.isclose(ours, truth, rel_tol=tolerance, abs_tol=tolerance))
        )
        if not same:
            self.wrong.append(f"{what}: report {ours}, truth {truth}")


def differences(report: Report, world) -> Check:
    """Every figure of the report against the world's own."""
    check = Check(world)
    for objective in report.objectives:
        _objective(check, report, objective)
    for comparison in report.comparisons:
        _comparison(check, report, comparison)
    return check


def _objective(check: Check, report: Report, objective: ObjectiveReport) -> None:
    name = objective.name
    whole = Truth(check.world, objective.promise, {"version": "v2"} if objective.gain else {})
    _assessment(check, report, objective, name, whole, objective.whole, services=name == "availability")
    for row in objective.rows:
        promise = row.promise
        judged = {"version": "v2"} if objective.gain and row.dimension != "version" else {}
        truth = Truth(check.world, promise, where(row) | judged)
        _assessment(check, report, objective, f"{name} {row.dimension} {row.name}", truth, row.assessment)
    for point in (*objective.chart, *objective.moments):
        figure = whole.over(point.start, point.end)
        if figure.value is None or math.isfinite(figure.value):
            check.equal(f"{name} at {point.start}", point.value, figure.value)
    for burn in objective.budget.burns:
        check.equal(f"{name} burn {burn.seconds}", burn.rate, whole.over(report.end - burn.seconds, report.end).spent)
    current = whole.over(objective.whole.current.start, report.end)
    check.equal(f"{name} used", objective.budget.used, current.bad)
    check.equal(f"{name} allowed", objective.budget.allowed, objective.promise.budget * current.total)
    _track(check, objective, whole)
    _gain(check, objective)


def where(row: PartReport) -> dict[str, str]:
    if row.dimension == "partner":
        return {"segment": "api_partners", "partner": row.name}
    return {row.dimension: row.name}


def _assessment(
    check: Check,
    report: Report,
    objective: ObjectiveReport,
    what: str,
    truth: Truth,
    ours: Assessment,
    services: bool = False,
) -> None:
    current = truth.over(ours.current.start, ours.current.end)
    _figure(check, f"{what} current", ours.current, current)
    figures = [truth.over(*window) for window in _windows(report, objective)]
    least = 0 if truth.promise.kind is SloKind.AVAILABILITY else 100
    known = [f for f in figures if f.total >= least and f.spent is not None]
    check.equal(f"{what} windows", ours.windows, len(known))
    check.equal(f"{what} breaches", ours.breaches, sum(f.spent > 1 + EXACT for f in known))
    if known:
        assert ours.deciding is not None, what
        check.equal(f"{what} worst", ours.deciding.spent, max(f.spent for f in known))
        _figure(check, f"{what} deciding", ours.deciding, truth.over(ours.deciding.start, ours.deciding.end))
    if not services:
        expected = "NO DATA" if not known else "FAIL" if any(f.spent > 1 + EXACT for f in known) else "PASS"
        check.equal(f"{what} outcome", ours.outcome == expected, True)


def _figure(check: Check, what: str, ours: WindowFigure, truth: WindowFigure) -> None:
    for part in ("good", "total", "value", "spent"):
        check.equal(f"{what} {part}", getattr(ours, part), getattr(truth, part))


def _windows(report: Report, objective: ObjectiveReport) -> list[tuple[float, float]]:
    """The windows of an objective, worked out again: days of Paris (UTC+1 in winter), or 24 hours ending every step."""
    start, end = report.start, report.end
    if objective.window_kind == "daily":
        first = (math.floor((start + 3600) / 86400) + 1) * 86400 - 3600
        edges = sorted({start, *np.arange(first, end, 86400).tolist(), end})
        return list(itertools.pairwise(edges))
    if end - start <= objective.window:
        return [(start, end)]
    return [(time - objective.window, time) for time in rolling_ends(report, objective)]


def rolling_ends(report: Report, objective: ObjectiveReport) -> list[float]:
    """The instants at which rolling windows are judged: every regular step that is a whole window after another."""
    step = _step(report)
    grid = np.arange(math.ceil(report.start / step) * step, report.end, step)
    special = {report.start, report.end, report.start + objective.window, report.end - 900}
    special |= {report.end - objective.window}
    special |= {report.end - 900 - objective.window, *(report.end - s for s in (3600, 21600, 86400, 259200))}
    special |= {bound for window in report.maintenance for bound in (window.start, window.end)}
    special |= set((np.arange(math.floor(report.start / 86400) * 86400 - 3600, report.end, 86400)).tolist())
    edges = sorted({round(t, 3) for t in (*grid.tolist(), *special) if report.start <= t <= report.end})
    known = set(edges)
    return [t for t in edges if round(t - objective.window, 3) in known]


def _step(report: Report) -> float:
    shortest = max((report.end - report.start) / 750, report.interval * 5)
    return next(s for s in (60, 120, 300, 600, 900, 1800, 3600, 7200) if s >= shortest)


def _track(check: Check, objective: ObjectiveReport, truth: Truth) -> None:
    if objective.window_kind == "daily":
        for point in objective.track:
            check.equal(f"{objective.name} day {point.start}", point.value, truth.over(point.start, point.end).value)


def _gain(check: Check, objective: ObjectiveReport) -> None:
    gain = objective.gain
    if gain is None:
        return
    start, end = objective.whole.current.start, objective.whole.current.end
    rates = {v: _standardised(check.world, v, start, end) for v in ("v1", "v2")}
    check.equal("gain", gain.value, rates["v2"] - rates["v1"])


def _standardised(world, version: str, start: float, end: float) -> float:
    """Accuracy at the mix of segments that both versions served together."""
    total, weights = 0.0, 0.0
    for segment in ("enterprise", "api_partners", "freemium", "internal"):
        matches = {v: world.counted("matches", start, end, version=v, segment=segment) for v in ("v1", "v2")}
        if min(matches.values()) > 0:
            weight = sum(matches.values())
            good = world.counted("successes", start, end, version=version, segment=segment)
            total += weight * good / matches[version]
            weights += weight
    return total / weights


def _comparison(check: Check, report: Report, comparison) -> None:
    for stratum in comparison.strata:
        for version in ("v1", "v2"):
            events = stratum.events_baseline if version == "v1" else stratum.events_candidate
            what = "matches" if comparison.measure == "accuracy" else "requests"
            truth = check.world.counted(what, report.start, report.end, version=version, segment=stratum.segment)
            check.equal(f"{comparison.measure} {stratum.segment} {version}", events, float(np.sum(truth)))


class Truth:
    """One promise's figures, from events."""

    def __init__(self, world, promise: Goal, where: dict[str, str]) -> None:
        self.world, self.promise, self.where = world, promise, where

    def over(self, start: float, end: float) -> WindowFigure:
        if self.promise.kind is SloKind.AVAILABILITY:
            return self._uptime(start, end)
        if self.promise.kind is SloKind.LATENCY:
            return self._latency(start, end)
        good, total = self._ratio(start, end)
        bad = total - good
        if total <= 0:
            return WindowFigure(start, end, good, total, None, None)
        value = bad / total if self.promise.kind is SloKind.CEILING else good / total
        return WindowFigure(start, end, good, total, value, bad / total / self.promise.budget)

    def _ratio(self, start: float, end: float) -> tuple[float, float]:
        accuracy = self.promise.kind is SloKind.FLOOR and self.promise.share < 0.99
        if accuracy:
            return self._counted("successes", start, end), self._counted("matches", start, end)
        requests = self._counted("requests", start, end)
        return requests - self._counted("errors", start, end), requests

    def _uptime(self, start: float, end: float) -> WindowFigure:
        """Each service counts the same: the mean of their shares, of the mean time that they were watched."""
        services = [self.where["service"]] if "service" in self.where else list(self.world.up)
        pairs = [self.world.uptime(service, start, end) for service in services]
        known = [(up / watched, watched) for up, watched in pairs if watched > 0]
        if not known:
            return WindowFigure(start, end, 0.0, 0.0, None, None)
        share, watched = (sum(column) / len(known) for column in zip(*known, strict=True))
        return WindowFigure(start, end, share * watched, watched, share, (1 - share) / self.promise.budget)

    def _latency(self, start: float, end: float) -> WindowFigure:
        from sla_world import BOUNDS

        counts = np.zeros(len(BOUNDS) + 1) + self.world.counted("buckets", start, end, **self.where)
        cumulative, total = counts.cumsum(), float(counts.sum())
        if total <= 0:
            return WindowFigure(start, end, 0.0, 0.0, None, None)
        limit = self.promise.limit or 0.0
        good = float(cumulative[BOUNDS.index(limit)])
        value = _quantile(self.promise.quantile, BOUNDS, cumulative)
        return WindowFigure(start, end, good, total, value, (total - good) / total / self.promise.budget)

    def _counted(self, what: str, start: float, end: float) -> float:
        return float(np.sum(self.world.counted(what, start, end, **self.where)))


def _quantile(q: float, bounds: tuple[float, ...], cumulative: np.ndarray) -> float:
    rank = q * cumulative[-1]
    index = int(np.argmax(cumulative >= rank))
    if index == len(bounds):
        return math.inf
    below = cumulative[index - 1] if index else 0.0
    lower = bounds[index - 1] if index else 0.0
    return lower + (bounds[index] - lower) * (rank - below) / (cumulative[index] - below)
