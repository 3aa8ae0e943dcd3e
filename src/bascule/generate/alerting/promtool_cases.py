"""What the catalogue's cases are about: traffic of the spec's own signals by name, and one test from many cases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from bascule import conventions as names
from bascule import promql
from bascule.alerts import AlertCase, Alerting
from bascule.generate.prometheus.examples import PARTNER, STEP_SECONDS, STEPS, Scene, retention
from bascule.spec import Spec
from bascule.spec.wanted_bounds import bounds_wanted

_AWFUL_SECONDS = 2.5
_RISING = f"0+5000x{STEPS}"
_BUSY = 100.0  # requests per second: enough for a partner's quota of some thousands an hour
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
    """Series, and what the rules make of them; of scrapes that are further apart than `interval`, every `each`-th."""

    name: str
    series: Mapping[str, str]
    checks: tuple[Check, ...]
    interval: str = f"{STEP_SECONDS}s"
    each: int = 1

    def as_yaml(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "interval": self.interval,
            "input_series": [{"series": name, "values": thinned(v, self.each)} for name, v in self.series.items()],
            "promql_expr_test": [check.as_yaml() for check in self.checks],
        }


def thinned(values: str, each: int) -> str:
    """promtool's notation of a series with every `each`-th of its samples alone."""
    if each == 1:
        return values
    samples = [sample for part in values.split() for sample in _expanded(part)]
    return " ".join(sample if at % each == 0 else "_" for at, sample in enumerate(samples))


def _expanded(part: str) -> list[str]:
    """The samples of `3`, `_x5`, `2x10` or `0+30x40`."""
    found = _NOTATION.fullmatch(part)
    if found is None:
        return [part]
    start, step, times = found["start"], float(found["step"] or 0), int(found["times"])
    if start == "_":
        return ["_"] * times
    return [f"{float(start) + step * at:.12g}" for at in range(times + 1)]


_NUMBER = r"\d[\d.]*(?:e[+-]?\d+)?"
_NOTATION = re.compile(rf"(?P<start>_|-?{_NUMBER})(?P<step>[+-]{_NUMBER})?x(?P<times>\d+)")


def firing(alert: str, at: str = LOOK_AT, **labels: str) -> Check:
    return Check(_alerts(alert, labels), {"{}": 1}, at)


def silent(alert: str, at: str = LOOK_AT, **labels: str) -> Check:
    return Check(_alerts(alert, labels), {}, at)


def _alerts(alert: str, labels: Mapping[str, str]) -> str:
    where = {"alertname": alert, "alertstate": "firing", **labels}
    inside = ",".join(f'{label}="{value}"' for label, value in where.items())
    return f"max(ALERTS{{{inside}}})"


# ---------------------------------------------------------------- scenes


def healthy(spec: Spec) -> Scene:
    """Both versions at work in as many segments as the plan allows."""
    both = [phase.share for phase in spec.phases if phase.share < 1] or [0.5]
    return Scene(spec, both[-1])


def awful(spec: Spec) -> Scene:
    """A candidate that is down, slow, wrong, poor, and answers partners in another format."""
    scene, candidate = healthy(spec), spec.versions.candidate
    for name in spec.signals:
        scene = scene.set(name, _awful(spec, name), candidate)
    jobs = [job for job, service in spec.services.items() if service.version == candidate]
    refused = {
        f'{names.RATE_LIMIT_REQUESTS.name}{{version="{candidate}",user_segment="{name}",decision="refused"}}': _RISING
        for name, segment in spec.segments.named.items()
        if segment.rate_limit is not None
    }
    lost = retention(spec, 0.5, 0.1) if spec.logs.sources else {}
    broken = f'{names.FORMAT_CHECKS.name}{{version="{candidate}",partner="{PARTNER}",compatible="False"}}'
    return replace(scene, down=frozenset(jobs), requests_per_second=_BUSY).plus({**refused, **lost, broken: _RISING})


def _awful(spec: Spec, name: str) -> float:
    """A level that breaks every target and trigger of the signal."""
    signal = spec.signals[name]
    if signal.buckets is not None:
        return max(signal.measured_in.of_base(_AWFUL_SECONDS), 2 * max(bounds_wanted(spec, name), default=0.0))
    if signal.better == "higher":
        return 0.1
    return 0.9 if signal.is_share else 1e6


def everywhere(scene: Scene) -> Scene:
    """The same in every segment, whatever the plan gives it."""
    return replace(scene, actual={segment: scene.planned(segment) or 0.5 for segment in scene.segments})


def off_the_plan(spec: Spec) -> Scene:
    scene = healthy(spec)
    segment = next(name for name in scene.segments if scene.planned(name) > 0)
    return replace(scene, actual={segment: max(0.0, scene.planned(segment) - spec.thresholds.share_tolerance - 0.2)})


def off_a_new_plan(spec: Spec) -> Scene:
    """The same, and at eight minutes and a half the share of that segment is planned again."""
    scene = off_the_plan(spec)
    (segment,) = scene.actual
    return scene.plus({f'{names.PLANNED_SHARE.name}{{{names.SEGMENT}="{segment}"}}': "0x16 1x23"})


def all_down(spec: Spec) -> Scene:
    return replace(healthy(spec), down=frozenset(promql.watched(spec)))


SCENES: Mapping[str, Callable[[Spec], Mapping[str, str]]] = {
    "": lambda spec: {},
    "nothing": lambda spec: {},
    "healthy": lambda spec: healthy(spec).series(),
    "awful": lambda spec: awful(spec).series(),
    "awful, few requests": lambda spec: replace(awful(spec), requests_per_second=0.05).series(),
    "awful for everybody": lambda spec: everywhere(awful(spec)).series(),
    "share off the plan": lambda spec: off_the_plan(spec).series(),
    "share off a new plan": lambda spec: off_a_new_plan(spec).series(),
    "a night without traffic": lambda spec: replace(healthy(spec), requests_per_second=0.0).series(),
    "services down": lambda spec: all_down(spec).series(),
    "all traffic on the old version": lambda spec: replace(healthy(spec), share=0.0).series(),
}


# ---------------------------------------------------------------- tests


def tests_of(spec: Spec, alerts: Iterable[Alerting]) -> Iterator[Test]:
    """Cases whose series have nothing in common share a test: evaluating every rule is what takes the time."""
    series = cache(lambda scene: SCENES[scene](spec))
    prefix = spec.alert_prefix
    alike: dict[tuple[bool, bool], list[Test]] = {}  # a scene's series would answer for what a bare case leaves out
    for alert in alerts:
        for case in alert.cases:
            test = _test(alert.name, prefix, case, series(case.scene))
            alike.setdefault((bool(case.fires), bool(case.scene)), []).append(test)
    for tests in alike.values():
        yield from map(_together, _batches(tests))


def _batches(tests: Iterable[Test]) -> list[list[Test]]:
    batches: list[list[Test]] = []
    for test in tests:
        batch = next((batch for batch in batches if _fits(test, batch)), None)
        if batch is None:
            batches.append(batch := [])
        batch.append(test)
    return batches


def _test(alert: str, prefix: str, case: AlertCase, scene: Mapping[str, str]) -> Test:
    check = (firing if case.fires else silent)(alert, case.at, **case.labels)
    word = f"firing: {case.fires}" if case.fires else f"not firing: {case.quiet}"
    return Test(f"{alert.removeprefix(prefix)} {word}", {**scene, **case.series}, (check,), case.interval)


def _fits(test: Test, batch: list[Test]) -> bool:
    """A test that is about nothing being there stays alone; one's series must not be read by another's alert."""
    if not test.series:
        return False
    return all(
        test.interval == other.interval and (test.series == other.series or not _metrics(test) & _metrics(other))
        for other in batch
    )


def _metrics(test: Test) -> set[str]:
    return {series.partition("{")[0] for series in test.series}


def _together(batch: list[Test]) -> Test:
    series = {name: values for test in batch for name, values in test.series.items()}
    checks = tuple(check for test in batch for check in test.checks)
    return Test("; ".join(test.name for test in batch), series, checks, batch[0].interval)
