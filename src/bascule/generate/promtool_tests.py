"""promtool tests that go with the rules: each alert firing, not firing and without data; each recorded series there.

An alert is looked for in Prometheus' own `ALERTS` series: what counts is that it fires, not how its text reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bascule import conventions as names
from bascule.conventions import Alert, probe_job
from bascule.conventions import Rule as Named
from bascule.generate.examples import STEP_SECONDS, STEPS, Scene
from bascule.generate.promtool_cases import Case, awful_scene, cases, sla_cases
from bascule.generate.rule_groups import rule_groups
from bascule.generate.rules import Group, Recording
from bascule.spec import Spec
from bascule.spec.signals import HistogramSignal, RatioSignal

LOOK_AT = "13m"  # ten minutes until a share is known to be off the plan, and some more


@dataclass(frozen=True)
class Check:
    """What an expression must answer: labels to value; nothing at all when empty."""

    expr: str
    samples: Mapping[str, float]
    at: str = LOOK_AT

    def as_yaml(self) -> dict[str, Any]:
        samples = [{"labels": labels, "value": value} for labels, value in self.samples.items()]
        return {"expr": self.expr, "eval_time": self.at, "exp_samples": samples}


@dataclass(frozen=True)
class Test:
    """Series, and what the rules make of them."""

    name: str
    series: Mapping[str, str]
    checks: tuple[Check, ...]
    interval: str = f"{STEP_SECONDS}s"

    def as_yaml(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "interval": self.interval,
            "input_series": [{"series": series, "values": values} for series, values in self.series.items()],
            "promql_expr_test": [check.as_yaml() for check in self.checks],
        }


def test_files(spec: Spec) -> dict[str, dict[str, Any]]:
    """File name (without folder and ending) to the mapping promtool reads."""
    order = [str(group.name) for group in rule_groups(spec)]
    files = {
        "alerts": _file(alert_tests(spec), "1m", order),
        "recording": _file(recording_tests(spec), "1m", order),
        "sla": _file(sla_tests(spec), "1h", order),
    }
    return {name: file for name, file in files.items() if file["tests"]}


def _file(tests: Iterable[Test], evaluation: str, order: list[str]) -> dict[str, Any]:
    """Without an order promtool evaluates the groups of one instant in any: what one reads of another came or not."""
    return {
        "rule_files": ["../rules/*.yml"],
        "evaluation_interval": evaluation,
        "group_eval_order": order,
        "tests": [test.as_yaml() for test in tests],
    }


# ---------------------------------------------------------------- scenes and looks


def healthy_scene(spec: Spec) -> Scene:
    """Both versions at work in as many segments as the plan allows."""
    both = [phase.share for phase in spec.phases if phase.share < 1] or [0.5]
    return Scene(spec, both[-1])


def firing(spec: Spec, alert: str, **labels: str) -> Check:
    return Check(_alerts(spec, alert, labels), {"{}": 1})


def silent(spec: Spec, alert: str, **labels: str) -> Check:
    return Check(_alerts(spec, alert, labels), {})


def _alerts(spec: Spec, alert: str, labels: Mapping[str, str]) -> str:
    where = {"alertname": spec.alert_prefix + alert, "alertstate": "firing", **labels}
    inside = ",".join(f'{label}="{value}"' for label, value in where.items())
    return f"max(ALERTS{{{inside}}})"


# ---------------------------------------------------------------- alerts


def alert_tests(spec: Spec) -> Iterator[Test]:
    scene = healthy_scene(spec)
    every = list(dict.fromkeys(alert.name for group in rule_groups(spec) for alert in group.alerts))
    own = [name.removeprefix(spec.alert_prefix) for name in every]
    quiet = [name for name in own if name != Alert.DEAD_MANS_SWITCH]
    yield Test("healthy: nothing fires", scene.series(), tuple(silent(spec, name) for name in quiet))
    yield _case(spec, Alert.DEAD_MANS_SWITCH, "always, or alerting is broken", scene)
    yield Test("no data: silence is told, not taken for health", {}, tuple(_without_data(spec, own)))
    yield from _signal_cases(spec, scene)
    yield from _traffic_cases(spec, scene)
    yield from _service_cases(spec, scene)
    yield from _judge_cases(spec, scene)
    yield from _no_data_cases(spec, scene)
    yield from _together(spec, [case for case in cases(spec, scene) if case.alert in own])


def sla_tests(spec: Spec) -> Iterator[Test]:
    """On counts given by the minute: a month of samples would take an hour to test."""
    yield from _together(spec, list(sla_cases(spec)))


def _together(spec: Spec, cases: list[Case]) -> Iterator[Test]:
    """Cases whose series have nothing in common share a test: evaluating every rule is what takes the time."""
    alone = [case for case in cases if not case.fires]
    yield from (_of(spec, case) for case in alone)
    batches: list[list[Case]] = []
    for case in (case for case in cases if case.fires):
        batch = next((batch for batch in batches if _fits(case, batch)), None)
        if batch is None:
            batches.append([case])
        else:
            batch.append(case)
    yield from (_batch(spec, batch) for batch in batches)


def _fits(case: Case, batch: list[Case]) -> bool:
    same_pace = all(other.interval == case.interval for other in batch)
    return same_pace and all(
        case.series == other.series or not set(case.series) & set(other.series) for other in batch
    )  # fmt: skip


def _batch(spec: Spec, batch: list[Case]) -> Test:
    tests = [_of(spec, case) for case in batch]
    series = {name: values for test in tests for name, values in test.series.items()}
    checks = tuple(check for test in tests for check in test.checks)
    return Test("; ".join(test.name for test in tests), series, checks, batch[0].interval)


def _of(spec: Spec, case: Case) -> Test:
    look = firing if case.fires else silent
    check = replace(look(spec, case.alert, **case.labels), at=case.at)
    word = "firing" if case.fires else "not firing"
    return Test(f"{case.alert} {word}: {case.what}", case.series, (check,), case.interval)


def _without_data(spec: Spec, alerts: list[str]) -> Iterator[Check]:
    for name in alerts:
        yield firing(spec, name) if name in (Alert.SIGNAL_NO_DATA, Alert.DEAD_MANS_SWITCH) else silent(spec, name)


def _signal_cases(spec: Spec, scene: Scene) -> Iterator[Test]:
    """The same awful candidate twice: with enough traffic to tell, and without."""
    wanted = (Alert.V2_ERROR_SPIKE, Alert.RESPONSE_TIME_HIGH, Alert.ACCURACY_DEGRADED)
    there = {alert.name for group in rule_groups(spec) for alert in group.alerts}
    alerts = [alert for alert in wanted if spec.alert_prefix + alert in there]
    awful = awful_scene(spec, scene)
    fires = Case("", "", awful.series())
    yield from _together(spec, [replace(fires, alert=alert, what="the candidate is worse") for alert in alerts])
    quiet = replace(awful, requests_per_second=0.05).series()
    few = tuple(silent(spec, alert) for alert in alerts)
    yield Test(f"{', '.join(alerts)} not firing: too few requests to tell", quiet, few)


def _traffic_cases(spec: Spec, scene: Scene) -> Iterator[Test]:
    segment = next(name for name in scene.segments if scene.planned(name) > 0)
    stuck = replace(scene, actual={segment: max(0.0, scene.planned(segment) - spec.thresholds.share_tolerance - 0.2)})
    yield _case(spec, Alert.MIGRATION_STALLED, "the share is not the planned one", stuck, user_segment=segment)
    just_now = stuck.plus({names.PHASE_STARTED.name: f"0x16 480x{STEPS}"})  # 8 minutes on, a new phase begins
    yield _not(spec, Alert.MIGRATION_STALLED, "the phase has only begun", just_now)


def _service_cases(spec: Spec, scene: Scene) -> Iterator[Test]:
    jobs = {**{name: name for name in spec.services}, **{name: probe_job(name) for name in spec.probes}}
    gone = replace(scene, down=frozenset(jobs))
    everyone = tuple(firing(spec, Alert.SERVICE_DOWN, job=job) for job in jobs.values())
    yield Test(f"{Alert.SERVICE_DOWN} firing: all are down", gone.series(), everyone)
    for name in spec.services_of("redis"):
        node = f'{{job="{name}",instance="a:1"}}'
        cold = scene.plus({f"redis_keyspace_misses_total{node}": f"0+95x{STEPS}"})
        yield _case(spec, Alert.CACHE_HIT_RATE_LOW, f"{name} misses half", cold, job=name)
        fresh = cold.plus({f"redis_uptime_in_seconds{node}": f"1x{STEPS}"})
        yield _not(spec, Alert.CACHE_HIT_RATE_LOW, f"{name} has only started", fresh)


def _judge_cases(spec: Spec, scene: Scene) -> Iterator[Test]:
    signal = next(iter(spec.signals))
    alarm = scene.plus({f'{names.SIGNAL_ALARM.name}{{signal="{signal}",user_segment="all"}}': f"1x{STEPS}"})
    yield _case(spec, Alert.CANDIDATE_WORSE, "the judge's alarm stands", alarm, signal=signal)


def _no_data_cases(spec: Spec, scene: Scene) -> Iterator[Test]:
    """Each signal by itself: its metric vanishes, the others stay."""
    for name, signal in spec.signals.items():
        if isinstance(signal, HistogramSignal):
            metrics = signal.series("bucket").names
        elif isinstance(signal, RatioSignal):
            metrics = signal.events.names
        else:
            continue
        gone = replace(scene, without=frozenset(metrics))
        yield _case(spec, Alert.SIGNAL_NO_DATA, f"{name} vanishes", gone, signal=name)
    idle = replace(scene, share=0.0)
    yield _not(spec, Alert.SIGNAL_NO_DATA, "the plan gives the candidate nothing yet", idle)


def _case(spec: Spec, alert: str, what: str, scene: Scene, **labels: str) -> Test:
    return Test(f"{alert} firing: {what}", scene.series(), (firing(spec, alert, **labels),))


def _not(spec: Spec, alert: str, what: str, scene: Scene) -> Test:
    return Test(f"{alert} not firing: {what}", scene.series(), (silent(spec, alert),))


# ---------------------------------------------------------------- recorded series


def recording_tests(spec: Spec) -> Iterator[Test]:
    scene, groups = healthy_scene(spec), rule_groups(spec)
    there = tuple(Check(f"{_count(rule)} > bool 0", {"{}": 1}) for rule in _recordings(groups))
    yield Test("healthy: every recorded series is there", scene.series(), there)
    idle = tuple(Check(_count(rule), {}) for rule in _recordings(groups) if not _always_there(rule))
    yield Test("no data: no recorded series is made up", {}, idle)
    yield Test("the source document's rules say what the traffic was", scene.series(), tuple(_values(spec, scene)))
    yield Test("identical versions do not differ, whatever their mix", *_same_versions(spec, scene))


def _recordings(groups: list[Group]) -> Iterator[Recording]:
    yield from (rule for group in groups for rule in group.recordings)


def _count(rule: Recording) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in rule.labels.items())
    return f"count({rule.name}{{{inside}}})" if inside else f"count({rule.name})"


def _always_there(rule: Recording) -> bool:
    return rule.expr == "vector(1)"


def _values(spec: Spec, scene: Scene) -> Iterator[Check]:
    old, new = spec.versions.both
    yield _near(Named.TRAFFIC_SPLIT_V2, sum(scene.share_of(new, s) for s in scene.segments) / len(scene.segments))
    segment = next(name for name in scene.segments if scene.planned(name) > 0)
    for name, by_version, difference in (
        ("errors", Named.ERROR_RATE, Named.ERROR_RATE_COMPARISON),
        ("accuracy", Named.ACCURACY_RATE, Named.ACCURACY_IMPROVEMENT),
    ):
        if isinstance(spec.signals.get(name), RatioSignal):
            levels = {version: scene.level(name, version, segment) for version in (old, new)}
            yield from (_near(by_version, level, version) for version, level in levels.items())
            yield _near(difference, levels[new] - levels[old])
    if isinstance(spec.signals.get("latency"), HistogramSignal):
        yield Check(f"{Named.PERFORMANCE_RATIO} > bool 1", {"{}": 1})


def _same_versions(spec: Spec, scene: Scene) -> tuple[dict[str, str], tuple[Check, ...]]:
    """Both versions the same within each segment, but segments that differ and are served in different shares."""
    same, checks = scene, []
    for index, segment in enumerate(scene.segments):
        for version in spec.versions.both:
            same = same.set("errors", 0.002 * 10**index, version, segment).set(
                "accuracy", 0.9 - index / 10, version, segment
            )
        same = replace(same, actual={**same.actual, segment: 0.8 / (index + 1)})
    if isinstance(spec.signals.get("errors"), RatioSignal):
        checks.append(_near(Named.ERROR_RATE_COMPARISON, 0))
    if isinstance(spec.signals.get("accuracy"), RatioSignal):
        checks.append(_near(Named.ACCURACY_IMPROVEMENT, 0))
    if isinstance(spec.signals.get("latency"), HistogramSignal):
        for version in spec.versions.both:
            same = same.set("latency", 0.04, version)
        checks.append(_near(Named.PERFORMANCE_RATIO, 1))
    return same.series(), tuple(checks)


def _near(name: str, value: float, version: str = "") -> Check:
    """promtool compares floats exactly: ask for a difference that is next to none."""
    where = f'{{version="{version}"}}' if version else ""
    return Check(f"abs({name}{where} - {value:.10g}) < bool 1e-9", {where or "{}": 1})
