"""Healthy worlds that look odd, a whole day of each on backfilled blocks: nothing is held and nobody is paged.

`make real NAME=must_pass`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import sla_truth

from bascule.conventions import TOTAL_SEGMENT, State, Verdict
from bascule.judge import JudgeOutcome, PhaseWatch, outcome_of, read_plan
from bascule.prometheus import Prometheus
from bascule.sla import JournalSpan, SlaOutcome, evaluate
from bascule.spec import Spec, parse
from bascule.states import MEANINGS, Cause

pytestmark = pytest.mark.real

DAY, HOUR, STEP = 86_400, 3600, 15
SHARE = 0.1
Rate = Callable[[np.ndarray], np.ndarray]  # requests per second, by the seconds of the day


def by_day(seconds: np.ndarray) -> np.ndarray:
    """20 requests/s on average, fewer in the night."""
    return 20 - 15 * np.cos(2 * np.pi * seconds / DAY)


def with_a_night(seconds: np.ndarray) -> np.ndarray:
    """Nobody asks anything for eight hours."""
    return np.where((seconds > 8 * HOUR) & (seconds <= 16 * HOUR), 0.0, 20.0)


def steady(seconds: np.ndarray) -> np.ndarray:
    return np.full(len(seconds), 20.0)


@dataclass(frozen=True)
class World:
    """A service's metric, with the labels that all its series have: none has ever returned a 5xx."""

    name: str
    metric: str
    labels: str
    bad: str
    rate: Rate
    partners: int = 0
    balancer: Rate | None = None  # requests that nginx takes

    @property
    def spec(self) -> Spec:
        strata = ", strata: [partner]" if self.partners else ""
        nginx = f"{self.name}-nginx: {{targets: ['127.0.0.1:3'], kind: nginx}}" if self.balancer else ""
        return parse(f"""
apiVersion: bascule/v1
kind: Migration
metadata: {{name: {self.name}}}
versions: {{label: version, baseline: v1, candidate: v2}}
services:
  {self.name}-v1: {{targets: ["127.0.0.1:1"], version: v1}}
  {self.name}-v2: {{targets: ["127.0.0.1:2"], version: v2}}
  {nginx}
signals:
  errors: {{kind: ratio, bad: '{self.metric}{{{self.bad}}}', total: {self.metric}, better: lower{strata}}}
phases:
  - {{share: 10%, hold: 1h, gates: {{errors: "<1%"}}}}
  - {{share: 100%, hold: 1h}}
rollback:
  - {{when: "errors > 5%", for: 1m}}
slas: {{error_rate: {{objective: "< 1%", window: 24h}}, availability: {{objective: 99.9%, window: 24h}}}}
stack: {{scrape: {{interval: {STEP}s, timeout: 500ms, evaluation: {STEP}s}}}}
""")

    def series(self, version: str) -> dict[str, float]:
        """Labels of each series, and its part of all requests."""
        share = SHARE if version == "v2" else 1 - SHARE
        if not self.partners:
            return {self.labels: share}
        random = np.random.default_rng(5)
        sizes = random.lognormal(0, 1, self.partners)
        sizes, given = sizes / sizes.sum(), np.arange(self.partners) % 10 == 0  # two of twelve, of any size
        chosen = given if version == "v2" else ~given
        return {f'{self.labels},partner="p{n}"': float(sizes[n]) for n in np.flatnonzero(chosen).tolist()}


def with_a_night_and_probes(seconds: np.ndarray) -> np.ndarray:
    """What asks the balancer in the night is monitoring."""
    return with_a_night(seconds) + 1.0


def until_both_hang(seconds: np.ndarray) -> np.ndarray:
    return np.where(seconds > DAY - 600, 0.0, 20.0)


WORLDS = [
    World("day", "day_requests_total", 'status="200"', 'status=~"5.."', by_day),
    World(
        "night", "night_requests_total", 'status="200"', 'status=~"5.."', with_a_night, balancer=with_a_night_and_probes
    ),
    World("third", "third_rq", 'response_code="200"', 'response_code=~"5.*"', steady),
    World("hashed", "hashed_requests_total", 'status="200"', 'status=~"5.."', steady, partners=12),
]


HUNG = World("hung", "hung_requests_total", 'status="200"', 'status=~"5.."', until_both_hang, balancer=steady)


@pytest.fixture(scope="module")
def end() -> int:
    return int(time.time()) // 60 * 60


@pytest.fixture(scope="module")
def client(end: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder, times = tmp_path_factory.mktemp("must_pass"), np.arange(0, DAY + STEP, STEP)
    lines: dict[str, list[str]] = {}

    def write(metric: str, labels: str, values: np.ndarray) -> None:
        pairs = zip(values.tolist(), times.tolist(), strict=True)
        lines.setdefault(metric, []).extend(f"{metric}{{{labels}}} {v:.10g} {end - DAY + at}" for v, at in pairs)

    for world in (*WORLDS, HUNG):
        if world.balancer:
            own, came = f'job="{world.name}-nginx",instance="nginx:1"', world.balancer(times.astype(float)) * STEP
            write("nginx_http_requests_total", own, np.cumsum(came))
            write("up", own, np.ones(len(times)))
            write("nginx_up", own, np.ones(len(times)))
        for version in ("v1", "v2"):
            own = f'job="{world.name}-{version}",instance="{version}:1",version="{version}"'
            write("up", own, np.ones(len(times)))
            for number, (labels, part) in enumerate(world.series(version).items()):
                random = np.random.default_rng([number, len(world.name), version == "v2"])
                came = random.poisson(world.rate(times.astype(float)) * STEP * part)
                write(world.metric, f"{own},{labels}", 1000.0 + np.cumsum(came))
    plan = 'job="plan",instance="plan:1"'
    write("bascule_phase", plan, np.ones(len(times)))
    write("bascule_phase_started_timestamp_seconds", plan, np.full(len(times), float(end - DAY + HOUR)))
    write("bascule_planned_share_ratio", f'{plan},user_segment="all"', np.full(len(times), SHARE))
    text = "".join(f"# TYPE {metric} unknown\n" + "\n".join(rows) + "\n" for metric, rows in lines.items())
    (folder / "in.txt").write_text(text + "# EOF\n")
    sla_truth.write_blocks(folder / "in.txt", folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as client:
        yield client


def hourly(world: World, client: Prometheus, end: int) -> dict[int, JudgeOutcome]:
    """What the judge says at the end of each hour of the day after the first."""
    spec, begun = world.spec, end - DAY + HOUR
    watch = PhaseWatch(spec, client, read_plan(client, begun, at=begun + STEP))
    found = {}
    for hour in range(2, 25):
        now = end - DAY + hour * HOUR
        watch.advance(now)
        found[hour] = outcome_of(watch.engine, watch.surroundings(now))
    return found


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_nothing_is_held_and_nobody_is_paged(world: World, client: Prometheus, end: int) -> None:
    """Every hour says promote once the plan's time is over; a night without traffic says so, and pages nobody."""
    for hour, outcome in hourly(world, client, end).items():
        at_night = world.rate is with_a_night and 8 < hour <= 16
        expected = {Verdict.NO_DATA} if at_night else {Verdict.PROMOTE}
        assert outcome.judgement.verdict in expected, (hour, outcome.judgement)
        assert not any(MEANINGS[missing.cause].pages for missing in outcome.missing), (hour, outcome.missing)
        assert all(line.alarm is None for line in outcome.lines)
        if at_night:
            assert outcome.judgement.cause is Cause.NO_TRAFFIC
        else:
            assert [gate.state for gate in outcome.gates] == [State.OK]
            compared = [line for line in outcome.lines if line.state is not State.NOT_APPLICABLE]
            assert {line.reading.candidate for line in compared if line.segment == TOTAL_SEGMENT} == {0.0}


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_its_slas_pass(world: World, client: Prometheus, end: int) -> None:
    report = evaluate(world.spec, client, end - DAY, end, journal=JournalSpan(True))
    assert {each.name: each.outcome for each in report.objectives} == dict.fromkeys(
        ("error_rate", "availability"), SlaOutcome.PASS
    )


def test_both_versions_hang_behind_a_balancer_that_goes_on_being_asked(client: Prometheus, end: int) -> None:
    """It is no night: nothing is promoted, and somebody is paged."""
    outcome = hourly(HUNG, client, end)[24]
    assert (outcome.judgement.verdict, outcome.judgement.cause) == (Verdict.NO_DATA, Cause.SILENT)
    assert {missing.version for missing in outcome.missing} == {"v1", "v2"}
