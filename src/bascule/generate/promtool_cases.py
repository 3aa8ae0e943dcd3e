"""What makes each further alert fire: promises, gates, rollback triggers, infrastructure, monitoring, SLAs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bascule import conventions as names
from bascule.conventions import Alert, Recorded, probe_job
from bascule.generate.alerts_targets import rollback_alerts, target_alerts
from bascule.generate.examples import PARTNER, STEP_SECONDS, STEPS, Scene, retention
from bascule.generate.sla_rules import LONG_TIERS, SHORT_TIERS, WEEK_SECONDS, known_slas, signal_of
from bascule.spec import Objective, Spec
from bascule.spec.signals import GaugeSignal, HistogramSignal, RatioSignal
from bascule.spec.uses import partner_label

SOON, LATE = "13m", "19m"
_AWFUL_SECONDS = 2.5


@dataclass(frozen=True)
class Case:
    """Series with which an alert fires (or does not), and when to look."""

    alert: str
    what: str
    series: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    at: str = SOON
    fires: bool = True
    interval: str = f"{STEP_SECONDS}s"


def cases(spec: Spec, scene: Scene) -> Iterator[Case]:
    """One firing case at least for each alert; those the spec has no use for are left out by the caller."""
    yield from _promises(spec, scene)
    yield from _targets(spec, scene)
    yield from _rollback(spec, scene)
    for kind in ("redis", "nginx", "node", "container"):
        for job in list(spec.services_of(kind))[:1]:
            yield from _INFRASTRUCTURE[kind](job)
    yield from _probes(spec)
    yield from _monitoring(spec)


# ---------------------------------------------------------------- everything wrong at once


def awful_scene(spec: Spec, scene: Scene) -> Scene:
    """A candidate that is down, slow, wrong, poor, and answers partners in another format."""
    candidate = spec.versions.candidate
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


_RISING = f"0+5000x{STEPS}"
_BUSY = 100.0  # enough for a partner's quota of some thousands an hour


def _awful(spec: Spec, name: str) -> float:
    """A level that breaks every target and trigger of the signal."""
    signal = spec.signals[name]
    if isinstance(signal, HistogramSignal):
        return _AWFUL_SECONDS
    if isinstance(signal, RatioSignal):
        return 0.1 if signal.better == "higher" else 0.9
    return 0.1 if signal.better == "higher" else 1e6


def _promises(spec: Spec, scene: Scene) -> Iterator[Case]:
    awful = awful_scene(spec, scene).series()
    for name, segment in spec.segments.named.items():
        here = {names.SEGMENT: name}
        if scene.planned(name) > 0 and segment.latency.p95 is not None:
            yield Case(Alert.RESPONSE_TIME_HIGH, f"slow for {name}", awful, here)
        if scene.planned(name) > 0 and segment.accuracy is not None and "accuracy" in spec.signals:
            yield Case(Alert.SEGMENT_ACCURACY_LOW, name, awful, here)
        if segment.errors is not None and "errors" in spec.signals:
            yield Case(Alert.PARTNER_ERRORS_HIGH if segment.partner_label else Alert.SEGMENT_ERRORS_HIGH, name, awful)
        if segment.rate_limit is not None:
            yield Case(Alert.RATE_LIMIT_REFUSALS, name, awful, here)
    if partner_label(spec):
        yield Case(Alert.PARTNER_FORMAT_BROKEN, "answers do not fit", awful)
        yield Case(Alert.PARTNER_QUOTA_NEARLY_USED, "a partner sends too much", awful, {"partner": PARTNER}, LATE)


def _targets(spec: Spec, scene: Scene) -> Iterator[Case]:
    awful = awful_scene(spec, scene).series()
    for alert in target_alerts(spec):
        if alert.name == spec.alert_prefix + Alert.TARGET_UNMET:
            labels = {key: alert.labels[key] for key in ("signal", "target")}
            if not isinstance(spec.signals.get(labels["signal"]), GaugeSignal):
                yield Case(Alert.TARGET_UNMET, f"{labels['signal']} {labels['target']}", awful, labels, LATE)
    gate = f'{names.GATE_STATE.name}{{gate="errors",state="bad"}}'
    yield Case(Alert.GATE_UNMET, "the judge says so", {gate: f"1x{STEPS}"}, {"gate": "errors"})
    yield Case(Alert.GATE_UNMET, "it is passed", {gate: f"0x{STEPS}"}, fires=False)


def _rollback(spec: Spec, scene: Scene) -> Iterator[Case]:
    awful = awful_scene(spec, scene).series()
    for alert in rollback_alerts(spec):
        trigger = alert.labels["trigger"]
        yield Case(Alert.ROLLBACK_TRIGGERED, trigger, awful, {"trigger": trigger}, LATE)


# ---------------------------------------------------------------- infrastructure and monitoring


def _redis(job: str) -> Iterator[Case]:
    node = f'{{job="{job}",instance="a:1"}}'
    full = {f"redis_memory_used_bytes{node}": "95x60", f"redis_memory_max_bytes{node}": "100x60"}
    yield Case(Alert.REDIS_MEMORY_HIGH, "95 of 100 bytes are used", full)
    yield Case(Alert.REDIS_EVICTIONS, "keys are evicted", {f"redis_evicted_keys_total{node}": "0+5x60"}, at="16m")
    yield Case(Alert.REDIS_REPLICATION_BROKEN, "a replica has no link", {f"redis_master_link_up{node}": "0x60"})


def _nginx(job: str) -> Iterator[Case]:
    accepted, handled = (
        f'nginx_connections_{which}{{job="{job}",instance="a:1"}}' for which in ("accepted", "handled")
    )
    yield Case(Alert.NGINX_CONNECTIONS_DROPPED, "one of ten", {accepted: "0+10x60", handled: "0+9x60"})


def _host(job: str) -> Iterator[Case]:
    node = f'job="{job}",instance="a:1"'
    yield Case(
        Alert.HOST_CPU_HIGH, "no idle time", {f'node_cpu_seconds_total{{{node},mode="idle"}}': "0x180"}, at="42m"
    )
    memory = {f"node_memory_MemAvailable_bytes{{{node}}}": "1x60", f"node_memory_MemTotal_bytes{{{node}}}": "100x60"}
    yield Case(Alert.HOST_MEMORY_LOW, "1 of 100 bytes is left", memory)
    yield Case(Alert.HOST_DISK_LOW, "1 of 100 bytes is left", _disk(node, "/", "1x60", "100x60"))
    shrinking = _disk(node, "/data", "3000-2x400", "10000x400")
    yield Case(Alert.HOST_DISK_FILLING, "it shrinks by 4 of 10,000 bytes a minute", shrinking, at="80m")


def _disk(node: str, mount: str, left: str, size: str) -> dict[str, str]:
    where = f'{{{node},mountpoint="{mount}",device="d",fstype="ext4"}}'
    return {f"node_filesystem_avail_bytes{where}": left, f"node_filesystem_size_bytes{where}": size}


def _container(job: str) -> Iterator[Case]:
    where = f'{{job="{job}",instance="a:1",name="app"}}'
    used, limit = f"container_memory_working_set_bytes{where}", f"container_spec_memory_limit_bytes{where}"
    yield Case(Alert.CONTAINER_MEMORY_HIGH, "95 of 100 bytes are used", {used: "95x60", limit: "100x60"})
    throttled, periods = (f"container_cpu_cfs_{what}periods_total{where}" for what in ("throttled_", ""))
    yield Case(Alert.CONTAINER_THROTTLED, "half of the periods", {throttled: "0+5x60", periods: "0+10x60"}, at="16m")


_INFRASTRUCTURE = {"redis": _redis, "nginx": _nginx, "node": _host, "container": _container}


def _probes(spec: Spec) -> Iterator[Case]:
    for name, probe in spec.probes.items():
        where = f'{{job="{probe_job(name)}",instance="a:1"}}'
        yield Case(Alert.PROBE_SLOW, name, {f"probe_duration_seconds{where}": "2x60"}, {"job": probe_job(name)})
        lost = {f"probe_success{where}": " ".join(["1 1 1 0"] * 12)}
        yield Case(Alert.PROBE_LOSS, f"{name} fails one time in four", lost, {"job": probe_job(name)})
        if probe.kind == "dns":
            yield Case(Alert.DNS_SLOW, name, {f"probe_dns_lookup_time_seconds{where}": "1x60"})
        if probe.kind == "https":
            yield from _certificates(where, probe.certificate_warning)


def _certificates(where: str, warning: float) -> Iterator[Case]:
    for days, severity in ((warning / 86400 - 1, "info"), (5.0, "warning"), (0.5, "critical")):
        expiry = {f"probe_ssl_earliest_cert_expiry{where}": f"{days * 86400:.0f}x60"}
        yield Case(Alert.CERTIFICATE_EXPIRES, f"in {days:g} days", expiry, {"severity": severity})
    later = {f"probe_ssl_earliest_cert_expiry{where}": f"{warning * 2:.0f}x60"}
    yield Case(Alert.CERTIFICATE_EXPIRES, "there is time", later, fires=False)


def _monitoring(spec: Spec) -> Iterator[Case]:
    lines, unparsed = names.LOG_LINES.name, names.LOG_UNPARSED.name
    for alert, what, series in (
        (Alert.ROLE_DOWN, "the judge", {'up{job="bascule-judge",instance="a:1"}': "0x60"}),
        (Alert.JUDGE_STUCK, "its last look was at the start", {names.JUDGE_TICK.name: "1x60"}),
        (
            Alert.LABEL_VALUES_CAPPED, "an id in a label",
            {f'{names.LABEL_VALUES_CAPPED.name}{{job="a",metric="m",label="algorithm"}}': "0+1x160"},
        ),
        (
            Alert.RULES_FAILING, "a group fails",
            {'prometheus_rule_evaluation_failures_total{rule_group="g"}': "0+1x60"},
        ),
        (
            Alert.NOTIFICATIONS_FAILING, "Prometheus drops them",
            {'prometheus_notifications_dropped_total{job="prometheus"}': "0+1x60"},
        ),
        (
            Alert.NOTIFICATIONS_FAILING, "a receiver refuses them",
            {'alertmanager_notifications_failed_total{job="alertmanager",integration="slack"}': "0+1x60"},
        ),
        (
            Alert.CONFIG_RELOAD_FAILED, "Prometheus",
            {'prometheus_config_last_reload_successful{job="prometheus"}': "0x60"},
        ),
        (Alert.LOGS_BEHIND, "two minutes", {f'{names.LOG_LAG_SECONDS.name}{{source="s"}}': "120x60"}),
        (
            Alert.LOGS_UNPARSED, "one line in ten",
            {f'{lines}{{source="s",format="f"}}': "0+90x60", f'{unparsed}{{source="s"}}': "0+10x60"},
        ),
    ):  # fmt: skip
        yield Case(alert, what, series, at="35m" if alert == Alert.LABEL_VALUES_CAPPED else SOON)


# ---------------------------------------------------------------- SLAs


def sla_cases(spec: Spec) -> Iterator[Case]:
    for name in known_slas(spec):
        sla = spec.slas.named[name]
        budget = Objective.parse(sla.objective).budget
        hours = max(int(sla.window / 24 / 3600), 1) + 1
        for alert, share, fires in (
            (Alert.SLA_BREACHED, 2 * budget, True),
            (Alert.SLA_AT_RISK, 0.95 * budget, True),
            (Alert.SLA_AT_RISK, 2 * budget, False),
            (Alert.SLA_BREACHED, 0.5 * budget, False),
        ):
            what = f"{name}, {share / budget:g} times the budget"
            yield _sla_case(spec, name, alert, what, share, hours, fires)
        yield from _near_limit(spec, name)
        tiers = LONG_TIERS if sla.window >= WEEK_SECONDS else SHORT_TIERS
        if any(factor * budget < 1 for factor, *_ in tiers):
            yield _sla_case(spec, name, Alert.SLA_BUDGET_BURN, f"{name}, all events are bad", 1.0, 1, True)
            yield _sla_case(spec, name, Alert.SLA_BUDGET_BURN, f"{name}, the even pace", 0.9 * budget, 1, False)
            # One missed scrape in the first ten minutes: beyond a slow tier's pace, and no trend.
            yield _sla_case(spec, name, Alert.SLA_BUDGET_BURN, f"{name}, one slip at the start", 1.7 * budget, 1, False)


def _near_limit(spec: Spec, name: str) -> Iterator[Case]:
    """Every request takes 90 to 100 % of the limit; then half of it."""
    objective, signal = Objective.parse(spec.slas.named[name].objective), signal_of(spec, name)
    if not isinstance(signal, HistogramSignal) or objective.bound is None:
        return
    label = next(key for key, value in spec.signals.items() if value is signal)
    for what, below, fires in (("near its limit", 0.9, True), ("far from its limit", 0.1, False)):
        least, most = objective.bound * below, objective.bound * (1.0 if fires else 0.2)
        where = f'signal="{label}",version="{spec.versions.candidate}"'
        buckets = {f"{least:g}": 0, f"{most:g}": 10, "+Inf": 10}
        series = {f'{Recorded.SIGNAL_BUCKET}{{{where},le="{le}"}}': f"{rate}x200" for le, rate in buckets.items()}
        series[f"{Recorded.SIGNAL_EVENTS}{{{where}}}"] = "10x200"
        yield Case(Alert.SLA_AT_RISK, f"{name} {what}", series, {"measure": "time"}, "2h", fires, "1m")


def _sla_case(spec: Spec, name: str, alert: str, what: str, share: float, hours: int, fires: bool) -> Case:
    where = f'{{sla="{name}",job="a"}}' if signal_of(spec, name) is None else f'{{sla="{name}"}}'
    minutes = hours * 60 + 10
    series = {
        f"{Recorded.SLA_ALL}{where}": f"1000x{minutes}",
        f"{Recorded.SLA_BAD}{where}": f"{1000 * share:.10g}x{minutes}",
    }
    return Case(alert, what, series, {"sla": name}, f"{hours}h", fires, "1m")
