"""promtool tests that go with the rules: each alert firing, not firing and without data; each recorded series there.

An alert is looked for in Prometheus' own `ALERTS` series: what counts is that it fires, not how its text reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bascule import promql
from bascule.conventions import Alert, Recorded
from bascule.conventions import Rule as Named
from bascule.generate.alerting.promtool_cases import Check, Test, all_down, firing, healthy, silent, tests_of
from bascule.generate.prometheus.examples import Scene
from bascule.generate.prometheus.rule_groups import read_with, rule_files, rule_groups
from bascule.generate.prometheus.rules import Group, Recording
from bascule.spec import Spec
from bascule.spec.quantities import parse_duration

_PACE = {"sla": "1h"}  # on counts given by the minute: a month of samples would take an hour to test


def test_files(spec: Spec) -> dict[str, dict[str, Any]]:
    """File name (without folder and ending) to the mapping promtool reads.

    `alerts` and `recording` are about all rules together. Every other file is about the alerts of the rule file of its
    name, and evaluates no more than what they read: evaluating rules is what takes promtool's time.
    """
    rules = rule_files(spec)
    files = {
        "alerts": _file(spec, alert_tests(spec), rules),
        "recording": _file(spec, recording_tests(spec), rules),
        **{
            name: _file(spec, tests, read_with(rules, name), _PACE.get(name, "1m"))
            for name, tests in _cases(spec, rules)
        },
    }
    return {name: file for name, file in files.items() if file["tests"]}


def _file(
    spec: Spec, tests: Iterable[Test], rules: Mapping[str, list[Group]], evaluation: str = "1m"
) -> dict[str, Any]:
    """Without an order promtool evaluates the groups of one instant in any: what one reads of another came or not."""
    return {
        "rule_files": [f"../rules/{name}.yml" for name in rules],
        "evaluation_interval": evaluation,
        "group_eval_order": [str(group.name) for groups in rules.values() for group in groups],
        "tests": [replace(test, each=_each(spec, test)).as_yaml() for test in tests],
    }


def _each(spec: Spec, test: Test) -> int:
    """Which of a test's samples there are: those that are scraped."""
    return math.ceil(spec.stack.scrape.interval / parse_duration(test.interval))


# ---------------------------------------------------------------- alerts


def alert_tests(spec: Spec) -> Iterator[Test]:
    groups, scene = rule_groups(spec), healthy(spec)
    every = list(dict.fromkeys(alert.name for group in groups for alert in group.alerts))
    always, data = spec.alert_prefix + Alert.DEAD_MANS_SWITCH, spec.alert_prefix + Alert.SIGNAL_NO_DATA
    quiet = tuple(silent(name) for name in every if name != always)
    yield Test("healthy: nothing fires", scene.series(), quiet)
    told = tuple(firing(name) if name in (always, data) else silent(name) for name in every)
    yield Test("no data: silence is told, not taken for health", {}, told)


def _cases(spec: Spec, rules: Mapping[str, list[Group]]) -> Iterator[tuple[str, list[Test]]]:
    """The tests of the alerts in each rule file."""
    own = {"services": _each_service(spec), "no-data": _each_signal(spec, healthy(spec))}
    for name, groups in rules.items():
        alerts = [alert for group in groups for alert in group.alerts]
        yield name, [*own.get(name, ()), *tests_of(spec, alerts)]


def _each_service(spec: Spec) -> Iterator[Test]:
    alert, jobs = spec.alert_prefix + Alert.SERVICE_DOWN, promql.watched(spec)
    everyone = tuple(firing(alert, job=job) for job in jobs)
    yield Test(f"{Alert.SERVICE_DOWN} firing: all are down", all_down(spec).series(), everyone)


def _each_signal(spec: Spec, scene: Scene) -> Iterator[Test]:
    """Its metric vanishes, the others stay."""
    for name, signal in spec.signals.items():
        counter = signal.buckets or signal.numerator
        if signal.has_bad_events and counter is not None:
            gone = replace(scene, without=frozenset(counter.names)).series()
            check = firing(spec.alert_prefix + Alert.SIGNAL_NO_DATA, signal=name)
            yield Test(f"{Alert.SIGNAL_NO_DATA} firing: {name} vanishes", gone, (check,))


# ---------------------------------------------------------------- recorded series


def recording_tests(spec: Spec) -> Iterator[Test]:
    scene, groups = healthy(spec), rule_groups(spec)
    expected = [rule for rule in _recordings(groups) if not _comes_later(rule)]
    there = tuple(Check(f"{_count(rule)} > bool 0", {"{}": 1}) for rule in expected)
    name = "healthy: every recorded series is there, and the source document's rules say what the traffic was"
    yield Test(name, scene.series(), (*there, *_values(spec, scene)))
    idle = tuple(Check(_count(rule), {}) for rule in _recordings(groups) if rule.expr != "vector(1)")
    yield Test("no data: no recorded series is made up", {}, idle)
    yield Test("identical versions do not differ, whatever their mix", *_same_versions(spec, scene))


def _recordings(groups: list[Group]) -> Iterator[Recording]:
    yield from (rule for group in groups for rule in group.recordings)


def _count(rule: Recording) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in rule.labels.items())
    return f"count({rule.name}{{{inside}}})" if inside else f"count({rule.name})"


def _comes_later(rule: Recording) -> bool:
    """Whether the series is there only when something is wrong, or after an hour."""
    counted = rule.name in (Recorded.TARGET_EVENTS, Recorded.TARGET_BAD_EVENTS, Recorded.TARGET_BUCKETS)
    wrong = rule.name in (Recorded.PROBE_FAILURE, Recorded.TARGET_MISSED, Recorded.SLA_EXCESS)
    wrong = wrong or (rule.name == Recorded.SIGNAL_EXPECTED and rule.expr.startswith("group("))
    return wrong or (counted and rule.labels["window"] == "1d")


def _values(spec: Spec, scene: Scene) -> Iterator[Check]:
    old, new = spec.versions.both
    yield _near(Named.TRAFFIC_SPLIT_V2, sum(scene.share_of(new, s) for s in scene.segments) / len(scene.segments))
    segment = next(name for name in scene.segments if scene.planned(name) > 0)
    for one, side, by_version, difference in (
        (spec.errors, "bad", Named.ERROR_RATE, Named.ERROR_RATE_COMPARISON),
        (spec.accuracy, "good", Named.ACCURACY_RATE, Named.ACCURACY_IMPROVEMENT),
    ):
        if one is not None:
            levels = {version: scene.level(one.name, version, segment) for version in (old, new)}
            if one.signal.amount != side:
                levels = {version: 1 - level for version, level in levels.items()}
            yield from (_near(by_version, level, version) for version, level in levels.items())
            yield _near(difference, levels[new] - levels[old])
    if spec.latency:
        yield Check(f"{Named.PERFORMANCE_RATIO} > bool 1", {"{}": 1})


def _same_versions(spec: Spec, scene: Scene) -> tuple[dict[str, str], tuple[Check, ...]]:
    """Both versions the same within each segment, but segments that differ and are served in different shares."""
    errors, accuracy, latency = spec.errors, spec.accuracy, spec.latency
    for index, segment in enumerate(scene.segments):
        for version in spec.versions.both:
            if errors:
                scene = scene.set(errors.name, min(0.002 * 10**index, 0.5), version, segment)
            if accuracy:
                scene = scene.set(accuracy.name, max(0.9 - index / 10, 0.1), version, segment)
            if latency:
                scene = scene.set(latency.name, latency.signal.measured_in.of_base(0.04), version)
        scene = replace(scene, actual={**scene.actual, segment: 0.8 / (index + 1)})
    wanted = (
        (errors, Named.ERROR_RATE_COMPARISON, 0),
        (accuracy, Named.ACCURACY_IMPROVEMENT, 0),
        (latency, Named.PERFORMANCE_RATIO, 1),
    )
    return scene.series(), tuple(_near(name, value) for one, name, value in wanted if one is not None)


def _near(name: str, value: float, version: str = "") -> Check:
    """promtool compares floats exactly: ask for a difference that is next to none."""
    where = f'{{version="{version}"}}' if version else ""
    return Check(f"abs({name}{where} - {value:.10g}) < bool 1e-9", {where or "{}": 1})
