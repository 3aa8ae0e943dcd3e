"""One traffic mix: the recording rules, the judge and the SLA reports weigh segments alike, on random counts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import judge_world as world
import numpy as np
import pytest
import yaml

from bascule.conventions import TOTAL_SEGMENT
from bascule.generate import generate
from bascule.judge import JointLook, PlanStep
from bascule.processes import programs
from bascule.sla.compare import Cell, mean, quantile_of, standardised
from bascule.spec import load

pytestmark = pytest.mark.integration

SPEC = load("supersmartmatch")
BOUNDS = (0.02, 0.05, 0.1, 0.2, 0.5)
SEGMENTS = tuple(SPEC.segments.named)
SEEDS = range(8)
SIGNALS = ("errors", "accuracy", "latency", "satisfaction")
LATE = "13m"
RULES = ("signals", "migration")


@dataclass(frozen=True)
class Drawn:
    """What one version did in one segment: events, how many were bad, matches and good ones, times under each bound."""

    requests: int
    bad: int
    matches: int
    good: int
    under: tuple[int, ...]
    ratings: int
    stars: int


Table = Mapping[tuple[str, str], Drawn]  # by version and segment


def drawn(seed: int) -> Table:
    """Mixes that could hardly differ more; of the candidate, one segment may have nothing at all."""
    random = np.random.default_rng(seed)
    found = {}
    for version in SPEC.versions.both:
        for segment in SEGMENTS:
            requests = int(random.integers(50, 10 ** random.integers(2, 6)))
            if version == SPEC.versions.candidate and segment == SEGMENTS[seed % 4 % 3] and seed % 4 < 3:
                requests = 0
            matches, ratings = (int(random.binomial(requests, share)) for share in (0.9, 0.3))
            shares = np.sort(random.uniform(0.3, 1.0, len(BOUNDS)))
            under = tuple(int(requests * share) for share in (*shares[:-1], 1.0))
            found[version, segment] = Drawn(
                requests,
                int(random.binomial(requests, random.uniform(0, 0.3))),
                matches,
                int(random.binomial(matches, random.uniform(0.5, 1))),
                under,
                ratings,
                int(random.integers(ratings, 5 * ratings + 1)),
            )
    return found


# ---------------------------------------------------------------- by the judge


def judged(table: Table) -> dict[str, tuple[float, float]]:
    """Baseline's and candidate's value of each signal over all segments."""
    bench = world.Bench(SPEC, {"latency": BOUNDS}, PlanStep(2, 1000.0, dict.fromkeys(SEGMENTS, 0.5)))
    increments = np.zeros((2, len(bench.schema.columns)))
    for (version, segment), one in table.items():
        parts = {
            ("errors", "events"): one.requests,
            ("errors", "bad"): one.bad,
            ("accuracy", "events"): one.matches,
            ("accuracy", "good"): one.good,
            ("satisfaction", "events"): one.ratings,
            ("satisfaction", "sum"): one.stars,
            ("latency", "events"): one.requests,
            **{("latency", bound): under for bound, under in zip(BOUNDS, one.under, strict=True)},
        }
        for (signal, part), amount in parts.items():
            column = bench.schema.column(signal, part, segment)
            increments[SPEC.versions.both.index(version), column] = amount
    bench.time += 1
    bench.engine.feed(JointLook(bench.time, 1.0, increments, bench.time - 1))
    readings = {
        name: bench.line(name, TOTAL_SEGMENT).reading for name in ("errors", "accuracy", "latency", "satisfaction")
    }
    return {name: (reading.baseline, reading.candidate) for name, reading in readings.items()}


# ---------------------------------------------------------------- by the reports


def reported(table: Table) -> dict[str, tuple[float | None, float | None]]:
    def cells(of: object) -> dict[str, dict[str, Cell]]:
        found: dict[str, dict[str, Cell]] = {}
        for (version, segment), one in table.items():
            cell = of(one)  # type: ignore[operator]
            if cell.events > 0:
                found.setdefault(segment, {})[version] = cell
        return found

    def times(one: Drawn) -> Cell:
        buckets = {**dict(zip(BOUNDS, map(float, one.under), strict=True)), float("inf"): float(one.requests)}
        return Cell(0.0, one.requests, buckets)

    kinds = {
        "errors": (lambda one: Cell(one.bad, one.requests), mean),
        "accuracy": (lambda one: Cell(one.good, one.matches), mean),
        "satisfaction": (lambda one: Cell(one.stars, one.ratings), mean),
        "latency": (times, quantile_of(0.95)),
    }
    return {name: standardised(cells(of), SPEC.versions.both, how) for name, (of, how) in kinds.items()}


# ---------------------------------------------------------------- by Prometheus


def series(table: Table) -> Iterator[tuple[str, int]]:
    for (version, segment), one in table.items():
        labels = f'version="{version}",user_segment="{segment}"'
        yield f'http_requests_total{{{labels},status="200"}}', one.requests - one.bad
        yield f'http_requests_total{{{labels},status="500"}}', one.bad
        yield f'supersmartmatch_matches_total{{{labels},success="True"}}', one.good
        yield f'supersmartmatch_matches_total{{{labels},success="False"}}', one.matches - one.good
        yield f"supersmartmatch_user_rating_count{{{labels}}}", one.ratings
        yield f"supersmartmatch_user_rating_sum{{{labels}}}", one.stars
        yield f"http_request_duration_seconds_count{{{labels}}}", one.requests
        for bound, under in zip((*BOUNDS, "+Inf"), (*one.under, one.requests), strict=True):
            yield f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}}', under


def expected(values: Mapping[str, tuple[float, float]]) -> Iterator[dict[str, object]]:
    """promtool compares floats exactly: ask for a difference that is next to none."""
    for name, both in values.items():
        recorded = "p95_standardised_rate5m" if name == "latency" else "ratio_standardised_rate5m"
        for version, value in zip(SPEC.versions.both, both, strict=True):
            where = f'{{signal="{name}",version="{version}"}}'
            yield {
                "expr": f"abs(version:signal:{recorded}{where} - {float(value)!r}) < bool 1e-9",
                "eval_time": LATE,
                "exp_samples": [{"labels": where, "value": 1}],
            }


def test_rules_judge_and_report_give_the_same_mix_adjusted_values(tmp_path: Path) -> None:
    """Ratios of bad and of good events, a mean and p95; segments that only one version serves count nowhere."""
    files, tests = generate(SPEC), []
    for seed in SEEDS:
        table = drawn(seed)
        values = judged(table)
        for name, both in reported(table).items():
            assert both == pytest.approx(values[name], rel=1e-9), f"seed {seed}: {name}"
        inputs = [{"series": name, "values": f"0+{amount}x40"} for name, amount in series(table)]
        checks = list(expected(values))
        tests.append({"name": f"seed {seed}", "interval": "30s", "input_series": inputs, "promql_expr_test": checks})
    rules = []
    for name in RULES:
        (tmp_path / f"{name}.yml").write_text(files[f"prometheus/rules/{name}.yml"], "utf-8")
        rules.append(f"{name}.yml")
    test = tmp_path / "test.yml"
    test.write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": tests}), "utf-8")
    command = [str(programs.find("promtool")), "test", "rules", str(test)]
    done = subprocess.run(command, capture_output=True, text=True, env=programs.environment("promtool"), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
