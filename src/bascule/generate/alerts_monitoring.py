"""Alerts on the monitoring itself, and the dead man's switch: an alert that always fires, so that its absence tells."""

from __future__ import annotations

from collections.abc import Iterator

from bascule import conventions as names
from bascule.conventions import Alert
from bascule.generate.alerts import CRITICAL, WARNING, alerting
from bascule.generate.rules import Alerting
from bascule.generate.texts import DURATION, PERCENT
from bascule.spec import Spec

RUNBOOK = "monitoring"


def monitoring_alerts(spec: Spec) -> Iterator[Alerting]:
    yield _switch(spec)
    yield from _roles(spec)
    yield from _prometheus(spec)
    yield from _logs(spec)


def _alert(
    spec: Spec, name: str, expr: str, hold: float, severity: str, what: str, description: str, action: str
) -> Alerting:
    return alerting(
        spec, name, expr, hold=hold, severity=severity, summary=what, description=description, action=action,
        runbook=RUNBOOK,
    )  # fmt: skip


def _switch(spec: Spec) -> Alerting:
    return _alert(
        spec, Alert.DEAD_MANS_SWITCH, "vector(1)", 0, "none",
        "The alerting works",
        "This alert always fires. Whoever stops receiving it knows that nothing else would arrive either.",
        "When it stops: look at Prometheus, Alertmanager and the way between them.",
    )  # fmt: skip


def _roles(spec: Spec) -> Iterator[Alerting]:
    yield _alert(
        spec, Alert.ROLE_DOWN, 'max by (job, instance) (up{job=~"bascule-.+|alertmanager"}) == 0',
        30, CRITICAL, "A part of the monitoring is down: {{ $labels.job }}",
        "{{ $labels.job }} ({{ $labels.instance }}) does not answer.",
        "Start it again; until then its figures are no data.",
    )  # fmt: skip
    yield _alert(
        spec, Alert.JUDGE_STUCK, f"time() - max({names.JUDGE_TICK.name}) > {max(30, 10 * spec.judge.tick):g}",
        10, CRITICAL, "The judge has stopped looking",
        f"The judge last finished a look {DURATION} ago.",
        "Look at its log; the verdict on the page is old.",
    )  # fmt: skip
    yield _alert(
        spec, Alert.LABEL_VALUES_CAPPED,
        f"sum by (job, metric, label) (rate({names.LABEL_VALUES_CAPPED.name}[15m])) > 0",
        900, WARNING, "Label values of {{ $labels.label }} are counted as other",
        "{{ $labels.job }} gives {{ $labels.metric }} more values of {{ $labels.label }} than its cap allows.",
        "Declare the values that matter; look for ids in a label.",
    )  # fmt: skip


def _prometheus(spec: Spec) -> Iterator[Alerting]:
    yield _alert(
        spec, Alert.RULES_FAILING, "sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[5m])) > 0",
        60, CRITICAL, "Rules cannot be evaluated",
        "{{ $labels.rule_group }} fails: its alerts are blind.",
        "Prometheus' log names the expression and the series that match twice.",
    )  # fmt: skip
    yield _alert(
        spec, Alert.NOTIFICATIONS_FAILING,
        "sum by (job) (rate(prometheus_notifications_dropped_total[5m])) > 0\n"
        "or\nsum by (job, integration) (rate(alertmanager_notifications_failed_total[5m])) > 0",
        60, CRITICAL, "Notifications do not arrive",
        "{{ $labels.job }}{{ with $labels.integration }} ({{ . }}){{ end }} loses notifications.",
        "Check Alertmanager's address and its receivers' secrets.",
    )  # fmt: skip
    yield _alert(
        spec, Alert.CONFIG_RELOAD_FAILED,
        "max by (job) (prometheus_config_last_reload_successful) == 0\n"
        "or\nmax by (job) (alertmanager_config_last_reload_successful) == 0",
        60, WARNING, "The configuration of {{ $labels.job }} was refused",
        "{{ $labels.job }} runs with an older configuration than its file.",
        "`promtool check config` or `amtool check-config` names the line.",
    )  # fmt: skip


def _logs(spec: Spec) -> Iterator[Alerting]:
    if not spec.logs.sources:
        return
    yield _alert(
        spec, Alert.LOGS_BEHIND, f"max by (source) ({names.LOG_LAG_SECONDS.name}) > 60",
        120, WARNING, "Log lines of {{ $labels.source }} are read late",
        f"{{{{ $labels.source }}}} is read {DURATION} late.", "Look at the logs role and its disk.",
    )  # fmt: skip
    parsed = f"sum by (source) (rate({names.LOG_LINES.name}[5m]))"
    unparsed = f"sum by (source) (rate({names.LOG_UNPARSED.name}[5m]))"
    yield _alert(
        spec, Alert.LOGS_UNPARSED,
        f"{unparsed}\n/\n(({parsed} + {unparsed}) > 0) > 0.05\n"
        f"and on (source)\n({parsed} + {unparsed}) * 300 >= {spec.thresholds.min_requests}",
        300, WARNING, "Log lines of {{ $labels.source }} are not understood",
        f"{PERCENT} of the lines of {{{{ $labels.source }}}} match no format.",
        "Add the format to the spec; a deployment that changed its log lines looks like this.",
    )  # fmt: skip
