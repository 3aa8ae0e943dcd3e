"""The rule of a rollback trigger against traffic, through the real promtool: it says what the judge's trigger says."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from bascule.generate import write
from bascule.generate.alerting import promtool_cases
from bascule.generate.alerting.promtool_cases import Check, firing, silent
from bascule.generate.prometheus.examples import Scene
from bascule.generate.prometheus.rule_groups import read_with, rule_files
from bascule.processes import programs
from bascule.spec import parse

pytestmark = pytest.mark.integration

SPEC = parse("""
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals:
  errors: {kind: ratio, bad: 'hits_total{code=~"5.."}', total: hits_total, better: lower}
  stars: {kind: mean, sum: stars_sum, count: stars_count, better: higher, unit: stars}
  cost: {kind: mean, sum: cost_sum, count: cost_count, better: lower, unit: EUR}
  latency: {kind: histogram, metric: took_seconds}
phases: [{share: 50%, hold: 1h}]
rollback:
  - {when: errors.gain < -2pt, for: 1m}
  - {when: stars.gain < -20%, for: 1m}
  - {when: cost.gain < -20%, for: 1m}
  - {when: cost.gain < -5, for: 1m}
  - {when: latency.p90 > 5s, for: 1m}
  - {when: latency.p999 > 10s, for: 1m}
""")


@dataclass(frozen=True)
class Case:
    """`levels`: of a signal, V1's and V2's. `fires`: the triggers that do; all others are silent."""

    name: str
    levels: Mapping[str, tuple[float, float]]
    fires: tuple[str, ...] = ()
    requests_per_second: float = 5.0
    ends_at: float | None = None  # the highest bound of the buckets; None: as the scene has them

    @property
    def series(self) -> dict[str, str]:
        scene = replace(Scene(SPEC, 0.5), requests_per_second=self.requests_per_second)
        for signal, levels in self.levels.items():
            for version, level in zip(SPEC.versions.both, levels, strict=True):
                scene = scene.set(signal, level, version)
        beyond = f'le="{2 * self.ends_at:g}"' if self.ends_at is not None else "none"
        return {name: values for name, values in scene.series().items() if beyond not in name}

    @property
    def checks(self) -> tuple[Check, ...]:
        every = [str(trigger.when) for trigger in SPEC.rollback]
        assert set(self.fires) <= set(every)
        return tuple(
            (firing if trigger in self.fires else silent)("RollbackTriggered", trigger=trigger) for trigger in every
        )


CASES = (
    Case("nothing is wrong", {}),
    Case("four points more errors", {"errors": (0.01, 0.05)}, ("errors.gain <-2pt",)),
    Case("four points fewer errors", {"errors": (0.05, 0.01)}),
    Case("one point more errors", {"errors": (0.01, 0.02)}),
    Case("a quarter fewer stars", {"stars": (4.0, 3.0)}, ("stars.gain <-20%",)),
    Case("an eighth fewer stars, which is half a star", {"stars": (4.0, 3.5)}),
    Case("a third fewer stars, which is a tenth of a star", {"stars": (0.3, 0.2)}, ("stars.gain <-20%",)),
    Case("more stars", {"stars": (3.0, 4.0)}),
    Case("dearer by a third", {"cost": (9.0, 12.0)}, ("cost.gain <-20%",)),
    Case("dearer by a third, which is much", {"cost": (90.0, 120.0)}, ("cost.gain <-20%", "cost.gain <-5")),
    Case("dearer by a tenth, which is much", {"cost": (90.0, 99.0)}, ("cost.gain <-5",)),
    Case("cheaper by a half", {"cost": (90.0, 45.0)}),
    Case("slow", {"latency": (0.1, 8.0)}, ("latency.p90 >5s",)),
    Case("very slow", {"latency": (0.1, 30.0)}, ("latency.p90 >5s", "latency.p999 >10s")),
    Case("slower than the last bucket", {"latency": (0.1, 20.0)}, ("latency.p90 >5s", "latency.p999 >10s"), 5.0, 10.0),
    Case("the old version is the slow one", {"latency": (30.0, 0.1)}),
    Case("few requests", {"errors": (0.01, 0.5), "stars": (4.0, 1.0), "latency": (0.1, 30.0)}, (), 0.05),
)


def test_a_trigger_fires_where_the_candidate_is_worse_and_never_where_it_is_better(tmp_path: Path) -> None:
    """By the sign and the measure of the bound, at every quantile, and not by a handful of requests."""
    write(SPEC, tmp_path)
    rules = read_with(rule_files(SPEC), "targets")
    file = tmp_path / "triggers.yml"
    content = {
        "rule_files": [f"prometheus/rules/{name}.yml" for name in rules],
        "evaluation_interval": "1m",
        "group_eval_order": [str(group.name) for groups in rules.values() for group in groups],
        "tests": [promtool_cases.Test(case.name, case.series, case.checks).as_yaml() for case in CASES],
    }
    file.write_text(yaml.safe_dump(content), "utf-8")
    command = [str(programs.find("promtool")), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=programs.environment("promtool"), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
