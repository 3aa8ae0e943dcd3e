"""The judge and the rules on a version that is taken down as planned: neither holds it against the version."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sla_truth

from bascule import slo
from bascule.conventions import State
from bascule.judge import JudgeOutcome, PhaseWatch, outcome_of, read_plan
from bascule.prometheus import Prometheus
from bascule.spec import Spec, parse
from bascule.states import Cause

pytestmark = pytest.mark.integration

SPAN, STEP = 3600, 15  # seconds
DOWN, AGAIN = 2400, 2700  # seconds in which V2 is away, of the hour


def spec_of(name: str) -> Spec:
    return parse(f"""
apiVersion: bascule/v1
kind: Migration
metadata: {{name: {name}}}
versions: {{label: version, baseline: v1, candidate: v2}}
services:
  {name}-v1: {{targets: ["127.0.0.1:1"], version: v1}}
  {name}-v2: {{targets: ["127.0.0.1:2"], version: v2}}
signals:
  errors: {{kind: ratio, bad: '{name}_requests_total{{status=~"5.."}}', total: {name}_requests_total, better: lower}}
phases: [{{share: 50%, hold: 1m, gates: {{availability: ">99%"}}}}, {{share: 100%, hold: 1h}}]
rollback: [{{when: "availability < 99%", for: 1m, action: immediate}}]
stack: {{scrape: {{interval: {STEP}s, timeout: 500ms, evaluation: {STEP}s}}}}
""")


class Hour:
    """Two migrations that meet the same: V2 is away for five minutes, in one of them as planned."""

    def __init__(self) -> None:
        self.end = int(time.time()) // 60 * 60
        self.times = np.arange(0, SPAN + STEP, STEP)
        self.lines: dict[str, list[str]] = {}
        away = (self.times > DOWN) & (self.times <= AGAIN)
        one = np.ones(len(self.times))
        for name in ("planned", "unplanned"):
            for version in ("v1", "v2"):
                up = np.where(away, 0.0, 1.0) if version == "v2" else one
                own = f'job="{name}-{version}",instance="{version}:1"'
                self._write("up", own, up)
                count = np.cumsum(up * 100)
                self._write(f"{name}_requests_total", f'{own},version="{version}",status="200"', count, up > 0)
            is_planned = away if name == "planned" else np.zeros(len(away), bool)
            self._write("bascule_maintenance_planned", f'service="{name}-v2"', is_planned.astype(float))
        self._write("bascule_phase", 'job="bascule-incidents",instance="i:1"', one)
        began = one * (self.end - SPAN + 60)
        self._write("bascule_phase_started_timestamp_seconds", 'job="bascule-incidents",instance="i:1"', began)
        self._write("bascule_planned_share_ratio", 'segment="all",job="bascule-incidents",instance="i:1"', one / 2)

    def _write(self, metric: str, labels: str, values: np.ndarray, there: np.ndarray | None = None) -> None:
        rows = zip(self.times.tolist(), values.tolist(), strict=True)
        kept = np.ones(len(self.times), bool) if there is None else there
        text = [f"{metric}{{{labels}}} {value:.12g} {self.end - SPAN + at}" for at, value in rows]
        self.lines.setdefault(metric, []).extend(line for line, is_there in zip(text, kept, strict=True) if is_there)

    def write(self, path: Path) -> None:
        text = "".join(f"# TYPE {name} unknown\n" + "\n".join(rows) + "\n" for name, rows in self.lines.items())
        path.write_text(text + "# EOF\n")


@pytest.fixture(scope="module")
def hour() -> Hour:
    return Hour()


@pytest.fixture(scope="module")
def client(hour: Hour, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("planned")
    hour.write(folder / "hour.txt")
    sla_truth.write_blocks(folder / "hour.txt", folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as served:
        yield served


def judged(client: Prometheus, hour: Hour, name: str, seconds: float) -> JudgeOutcome:
    spec, now = spec_of(name), hour.end - SPAN + seconds
    watch = PhaseWatch(spec, client, read_plan(client, now, now), reach=1200.0)
    watch.advance(now)
    return outcome_of(watch.engine, watch.surroundings(now))


def rule(client: Prometheus, hour: Hour, name: str, seconds: float) -> list[float]:
    expression = slo.availability(spec_of(name), 60, "v2")
    return [sample.value for sample in client.instant(expression, hour.end - SPAN + seconds)]


def test_what_was_not_planned_rolls_back(client: Prometheus, hour: Hour) -> None:
    outcome = judged(client, hour, "unplanned", DOWN + 150)
    assert [each.state for each in outcome.triggers] == [State.BAD]
    assert [each.state for each in outcome.gates] == [State.BAD]
    assert rule(client, hour, "unplanned", DOWN + 150) == [0.0]


@pytest.mark.parametrize("seconds", [DOWN + 150, AGAIN, AGAIN + 30])
def test_what_was_planned_does_not(client: Prometheus, hour: Hour, seconds: float) -> None:
    """Neither while it lasts nor just after it."""
    outcome = judged(client, hour, "planned", seconds)
    assert [(each.state, each.cause) for each in outcome.triggers] == [(State.NO_DATA, Cause.MAINTENANCE)]
    assert rule(client, hour, "planned", seconds) == []


def test_after_it_everything_counts_again_and_the_gate_rests_on_the_other_scrapes(
    client: Prometheus, hour: Hour
) -> None:
    outcome = judged(client, hour, "planned", AGAIN + 240)
    assert [(each.state, each.value) for each in outcome.triggers] == [(State.OK, 1.0)]
    assert [(each.state, each.value) for each in outcome.gates] == [(State.OK, 1.0)]
    assert rule(client, hour, "planned", AGAIN + 240) == [1.0]
