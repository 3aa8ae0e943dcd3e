"""What the catalogue's alerts on signals, traffic and the judge are given: the values that only this room can find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bascule import conventions as names
from bascule import promql
from bascule.alerts import Alerting, alerts_of
from bascule.alerts.figures import PERCENT, POINTS, gain_written
from bascule.conventions import Alert, Recorded, RuleGroup
from bascule.conventions import Rule as Named
from bascule.generate.alerting.alerts_targets import TARGETS, both_versions_with_events, missed, serves_now
from bascule.promql.expressions import WINDOW_SECONDS, by_segment
from bascule.spec import Spec
from bascule.spec.model import Named as NamedSignal
from bascule.spec.signals import CountedShare

Values = Mapping[str, str | float]


def group_alerts(spec: Spec, group: RuleGroup) -> Iterator[Alerting]:
    """The alerts of a rule group."""
    return alerts_of(spec, group, GIVEN)


# ---------------------------------------------------------------- signals


def _slow_segments(spec: Spec) -> Iterator[Values]:
    for target, longer in missed(spec, f"{Alert.RESPONSE_TIME_HIGH}.segment", promql.QuantileTarget):
        assert spec.latency is not None
        yield {
            "latency": spec.latency.name,
            "segment": target.segment,
            "in_seconds": target.shown.format(""),
            "limit": target.limit * target.scale,
            "longer": longer,
        }


def _accuracy_gain(spec: Spec) -> Iterator[Values]:
    found = spec.accuracy
    if found is None or found.signal.alert_below_gain is None:
        return
    wanted = found.signal.alert_below_gain
    candidate = found.signal.all_events.where(*spec.versions.matchers(spec.versions.candidate))
    yield {
        "gain": promql.relative_gain(spec, found.name) if wanted.relative else Named.ACCURACY_IMPROVEMENT,
        "figure": PERCENT if wanted.relative else POINTS,
        "amount": wanted.amount,
        "wanted": gain_written(wanted, found.signal.unit),
        "matches": f"sum(increase({candidate.over('1h')}))",
        "enough": _enough(spec, found),
    }


def _errors(spec: Spec) -> Iterator[Values]:
    if spec.errors is not None:
        yield {"enough": _enough(spec, spec.errors)}


def _enough(spec: Spec, found: NamedSignal[CountedShare]) -> str:
    return f"{both_versions_with_events(spec, found.name)}\n{serves_now(spec, found.signal.all_events)}"


# ---------------------------------------------------------------- traffic, judge


def _traffic(spec: Spec) -> Iterator[Values]:
    """The tolerance is widened by three standard errors of the share."""
    plan = Recorded.PLANNED_BY_SEGMENT
    seen = f"({by_segment(spec, Recorded.REQUESTS)} * {WINDOW_SECONDS})"
    error = f"3 * sqrt({plan} * (1 - {plan}) / on (user_segment) ({seen} > 0))"
    yield {"seen": seen, "error": error}


def _services(spec: Spec) -> Iterator[Values]:
    why = f"`{Recorded.PROBE_FAILURE}{{job=%q,instance=%q}}` $labels.job $labels.instance"
    told = f"{{{{ with printf {why} | query }}}}: {{{{ . | first | label `reason` }}}}{{{{ end }}}}"
    yield {"why": told if spec.is_probed else ""}


def _judge(spec: Spec) -> Iterator[Values]:
    """What the judge said of its last alarm there, also while it is away; without that, the bare fact."""
    info = f"{names.SIGNAL_ALARM_INFO.name}{{signal=%q,user_segment=%q}}"
    said = f"`topk(1, last_over_time({info}[1h]))` $labels.signal $labels.user_segment"
    old, new = spec.versions.both
    yield {
        "told": f"{{{{ with printf {said} | query }}}}{{{{ . | first | label `text` }}}}{{{{ else }}}}"
        f"{{{{ $labels.signal }}}} ({{{{ $labels.user_segment }}}}): worse on {new} than on {old}, "
        "by evidence past its threshold.{{ end }}"
    }


GIVEN: Mapping[str, Callable[[Spec], Iterator[Values]]] = {
    f"{Alert.RESPONSE_TIME_HIGH}.segment": _slow_segments,
    Alert.ACCURACY_DEGRADED: _accuracy_gain,
    Alert.V2_ERROR_SPIKE: _errors,
    Alert.MIGRATION_STALLED: _traffic,
    Alert.SERVICE_DOWN: _services,
    Alert.CANDIDATE_WORSE: _judge,
    **TARGETS,
}
