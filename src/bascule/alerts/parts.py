"""The parts of a spec that an alert can be for, and the values that each gives to its expression and texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from bascule.conventions import Severity, probe_job
from bascule.promql import unsuccessful
from bascule.promql.expressions import among
from bascule.spec import Spec
from bascule.spec.quantities import format_duration
from bascule.spec.uses import uses_instrument

DAY = 86400.0
Places = Iterable[Mapping[str, str | float]]


@dataclass(frozen=True)
class PartOfSpec:
    """Where an alert is for: none in a spec without that part, several where one rule does not serve all."""

    values: tuple[str, ...]
    places: Callable[[Spec], Places]


def _jobs(names: Callable[[Spec], list[str]]) -> PartOfSpec:
    """One rule for all jobs of a sort; `job` is the first of them, for the cases."""

    def places(spec: Spec) -> Places:
        jobs = names(spec)
        return [{"jobs": among("job", jobs), "job": jobs[0]}] if jobs else []

    return PartOfSpec(("jobs", "job"), places)


def _services(kind: str) -> PartOfSpec:
    return _jobs(lambda spec: list(spec.services_of(kind)))


def _probes(*kinds: str) -> PartOfSpec:
    return _jobs(lambda spec: [probe_job(name) for name, probe in spec.probes.items() if probe.kind in kinds])


def _certificates(spec: Spec) -> Iterator[Mapping[str, str | float]]:
    """Three steps that exclude each other: the declared warning, a week, a day."""
    for name, probe in spec.probes.items():
        if probe.kind == "https":
            warning = probe.certificate_warning
            steps = ((warning, 7 * DAY, Severity.INFO), (7 * DAY, DAY, Severity.WARNING), (DAY, 0, Severity.CRITICAL))
            for upper, lower, severity in (step for step in steps if step[0] > step[1]):
                yield {
                    "job": probe_job(name),
                    "upper": upper,
                    "and_not_below": f" >= {lower:g}" if lower else "",
                    "within": f"{upper / DAY:g}d",
                    "severity": severity,
                    "seconds_left": max(lower, 0.0) + 0.5 * DAY,
                    "time_enough": 2 * warning,
                }


def _judge(spec: Spec) -> Iterable[Mapping[str, str | float]]:
    """`lately`: what was scraped before that says nothing, as after a restart of the whole stack."""
    too_long = max(30.0, 10 * spec.judge.tick, 3 * spec.stack.scrape.interval)
    return [{"too_long": too_long, "lately": format_duration(round(too_long * 2 / 3))}]


PARTS: Mapping[str, PartOfSpec] = {
    "migration": PartOfSpec((), lambda spec: [{}]),
    "judge": PartOfSpec(("too_long", "lately"), _judge),
    **{
        kind: _services(kind) for kind in ("application", "nginx", "redis", "node", "container", "postgres", "exporter")
    },
    "probes": _probes("http", "https", "tcp", "icmp", "dns"),
    "dns probes": _probes("dns"),
    "certificates": PartOfSpec(
        ("job", "upper", "and_not_below", "within", "severity", "seconds_left", "time_enough"), _certificates
    ),
    "log sources": PartOfSpec(("source",), lambda spec: [{"source": name} for name in list(spec.logs.named)[:1]]),
    "statuses": PartOfSpec((), lambda spec: [{}] if unsuccessful(spec) else []),
    "instrument": PartOfSpec((), lambda spec: [{}] if uses_instrument(spec) else []),
    "errors": PartOfSpec(("errors",), lambda spec: [{"errors": spec.errors.name}] if spec.errors else []),
    "latency": PartOfSpec(("latency",), lambda spec: [{"latency": spec.latency.name}] if spec.latency else []),
    "accuracy": PartOfSpec(("accuracy",), lambda spec: [{"accuracy": spec.accuracy.name}] if spec.accuracy else []),
}
