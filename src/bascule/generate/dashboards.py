"""What the dashboards show: Executive, War Room, Business, Segments and partners, SLA, Infrastructure, Logs, Judge.

Panels read recorded series, so that a dashboard, an alert and a report can never disagree about a figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bascule import conventions as names
from bascule.conventions import Recorded
from bascule.conventions import Rule as Named
from bascule.generate.grafana import GREEN, NEUTRAL, Board, Panel, Row, Target, at_least, to_json, up_to
from bascule.generate.recording import QUANTILES, quantile_name
from bascule.generate.render import to_yaml
from bascule.generate.rule_groups import rule_groups
from bascule.generate.sla_rules import known_slas
from bascule.generate.usage import partner_label, quotas, uses_instrument
from bascule.spec import Objective, Spec
from bascule.spec.signals import HistogramSignal, MeanSignal, RatioSignal

V, S = '{version=~"$version"}', '{version=~"$version",user_segment=~"$user_segment"}'
UP_DOWN = {"0": "down", "1": "up"}
VERDICT_COLOURS = {"promote": "green", "hold": "yellow", "roll_back": "red", "no_data": "purple"}


def grafana_files(spec: Spec) -> dict[str, str]:
    """Dashboards, and the provisioning that makes Grafana load them."""
    boards = {f"grafana/dashboards/{board.uid}.json": to_json(spec, board) for board in boards_of(spec)}
    return {**boards, **_provisioning(spec)}


def boards_of(spec: Spec) -> list[Board]:
    """Every dashboard, without the panels whose series this spec does not record."""
    boards = [executive(spec), war_room(spec), business(spec), sla(spec), infrastructure(spec), logs(spec), judge(spec)]
    if spec.segments.named:
        boards.append(segments(spec))
    recorded = {rule.name for group in rule_groups(spec) for rule in group.recordings}
    return [_with_data(board, recorded) for board in boards]


_RECORDED_NAME = re.compile(r"\b[a-z_0-9]+(?::[a-z_0-9]+){1,2}\b")


def _with_data(board: Board, recorded: set[str]) -> Board:
    rows = [Row(row.title, tuple(_panels_with_data(row, recorded))) for row in board.rows]
    return replace(board, rows=tuple(row for row in rows if row.panels))


def _panels_with_data(row: Row, recorded: set[str]) -> Iterator[Panel]:
    for panel in row.panels:
        there = tuple(t for t in panel.targets if set(_RECORDED_NAME.findall(_unquoted(t.expr))) <= recorded)
        if there:
            yield replace(panel, targets=there)


def _unquoted(expr: str) -> str:
    return re.sub(r'"[^"]*"', "", expr)


def uid(spec: Spec, name: str) -> str:
    return f"{spec.metadata.name}-{name}"[:40]


# ---------------------------------------------------------------- executive


def executive(spec: Spec) -> Board:
    details = uid(spec, "technical")
    return Board(
        uid(spec, "executive"), f"{spec.title} Migration - Executive View",
        "How far the migration is, what it brings, and whether anything stands against it.",
        (
            Row("Progress", (_progress(spec), _off_plan(spec), _verdict(6), _incidents())),
            Row("Business impact", (_impact(spec), _gates())),
            Row("System health", (_health(details), _budgets(spec))),
        ),
    )  # fmt: skip


def _progress(spec: Spec) -> Panel:
    return Panel(
        "Migration Progress",
        "Share of all requests that the new version answers, beside the plan's. No colour by share: 10 % is no failure "
        "when 10 % is planned.",
        (
            Target(Named.TRAFFIC_SPLIT_V2, f"traffic on {spec.versions.candidate}"),
            Target(f'max({names.PLANNED_SHARE.name}{{user_segment="{names.TOTAL_SEGMENT}"}})', "phase"),
        ),
        "percentunit", "stat", 6, 6, NEUTRAL,
    )  # fmt: skip


def _off_plan(spec: Spec) -> Panel:
    tolerance = spec.thresholds.share_tolerance
    return Panel(
        "Off the plan", "How far each segment's share is from the planned one.",
        (
            Target(
                f"abs({Recorded.SPLIT_BY_SEGMENT} - on (user_segment) {Recorded.PLANNED_BY_SEGMENT})",
                "{{user_segment}}",
            ),
        ),
        "percentunit", "bargauge", 6, 6, up_to(tolerance, tolerance / 2),
    )  # fmt: skip


def _verdict(width: int) -> Panel:
    return Panel(
        "Verdict", "What the judge says at this moment; no data is a verdict of its own, never a good one.",
        (Target(f"max by (verdict) ({names.VERDICT.name}) == 1", "{{verdict}}"),),
        "none", "stat", width, 6, by_name=VERDICT_COLOURS,
    )  # fmt: skip


def _incidents() -> Panel:
    return Panel(
        "Open incidents", "Incidents that are not resolved, by severity.",
        (Target(f"max by (severity) ({names.INCIDENTS_OPEN.name})", "{{severity}}"),),
        "none", "stat", 6, 6, up_to(1),
    )  # fmt: skip


def _impact(spec: Spec) -> Panel:
    return Panel(
        "Business Impact",
        "Gain in accuracy (left, points) and the old version's p95 divided by the new one's (right: above 1 the new "
        "one is quicker), both within the same segments.",
        (
            Target(Named.ACCURACY_IMPROVEMENT, "Accuracy improvement"),
            Target(Named.PERFORMANCE_RATIO, "Performance ratio (V1/V2)"),
        ),
        "percentunit", width=16, right={"Performance ratio (V1/V2)": "none"}, leads_to=uid(spec, "business"),
    )  # fmt: skip


def _gates() -> Panel:
    return Panel(
        "Gates", "The present phase's gates: 1 where the judge has decided that the gate is passed.",
        (Target(f'max by (gate) ({names.GATE_STATE.name}{{state="ok"}})', "{{gate}}"),),
        "none", "bargauge", 8, 8, at_least(1),
    )  # fmt: skip


def _health(details: str) -> Panel:
    return Panel(
        "System Health", "Every service by itself, worst first: an average would read 87 % with one of eight dead.",
        (Target(f"sort({Recorded.SERVICE_UP})", "{{job}} {{instance}}"),),
        "none", "stat", 16, 8, at_least(1), words=UP_DOWN, leads_to=details,
    )  # fmt: skip


def _budgets(spec: Spec) -> Panel:
    return Panel(
        "Error budgets spent", "Share of each SLA's budget that is spent within its own window.",
        (Target(f"sort_desc(max by (sla) ({Recorded.SLA_BUDGET_SPENT}))", "{{sla}}"),),
        "percentunit", "bargauge", 8, 8, up_to(1, spec.slas.states.warning), leads_to=uid(spec, "sla"),
    )  # fmt: skip


# ---------------------------------------------------------------- war room


def war_room(spec: Spec) -> Board:
    old, new = spec.versions.both
    return Board(
        uid(spec, "technical"), f"{spec.title} Migration - Technical",
        "Both versions side by side, by the minute: for the war room.",
        (
            Row("Now", (_verdict(6), _firing(), _states())),
            Row("Both versions", (_response_times(spec), _error_rates(spec), _distribution(old, new))),
            Row("Shares and differences", (_share(spec), _differences(), _evidence(spec))),
            Row("Where", (_endpoint_errors(), _endpoint_p95(), _requests())),
        ),
    )  # fmt: skip


def _firing() -> Panel:
    return Panel(
        "Firing alerts", "Alerts that fire at this moment; gates hold a promotion and are nobody's page.",
        (
            Target(
                'count by (alertname, severity, user_segment, job) (ALERTS{alertstate="firing",severity!="none"})', ""
            ),
        ),
        "none", "table", 10, 8,
    )  # fmt: skip


def _states() -> Panel:
    return Panel(
        "Services", "Each service over time.", (Target(f"min by (job) ({Recorded.SERVICE_UP})", "{{job}}"),),
        "none", "state-timeline", 8, 8, at_least(1), words=UP_DOWN,
    )  # fmt: skip


def _response_times(spec: Spec) -> Panel:
    return Panel(
        "Response Time Comparison", "95th percentile of the response time by version, with the limit of the alert.",
        (Target(f"{Named.RESPONSE_TIME_P95}{V}", "{{version}} p95"),),
        "s", steps=up_to(spec.thresholds.response_time_p95), leads_to=uid(spec, "segments"),
    )  # fmt: skip


def _error_rates(spec: Spec) -> Panel:
    return Panel(
        "Error Rates", "Share of 5xx (and 4xx) answers by version.",
        (
            Target(f"{Named.ERROR_RATE}{V}", "{{version}} 5xx"),
            Target(f"{Recorded.CLIENT_ERRORS}{V}", "{{version}} 4xx"),
        ),
        "percentunit", leads_to=uid(spec, "segments"),
    )  # fmt: skip


def _distribution(old: str, new: str) -> Panel:
    return Panel(
        "Traffic Distribution", "Requests per second by version.",
        tuple(Target(f'sum({Recorded.REQUESTS}{{version="{version}"}})', version) for version in (old, new)),
        "reqps", "piechart",
    )  # fmt: skip


def _share(spec: Spec) -> Panel:
    return Panel(
        "Share against the plan", "Share of each segment on the new version, and what the plan gives it.",
        (
            Target(f'{Recorded.SPLIT_BY_SEGMENT}{{user_segment=~"$user_segment"}}', "{{user_segment}}"),
            Target(f'{Recorded.PLANNED_BY_SEGMENT}{{user_segment=~"$user_segment"}}', "{{user_segment}} planned"),
        ) if spec.segments.named else (
            Target(Recorded.SPLIT_BY_SEGMENT, "share"), Target(Recorded.PLANNED_BY_SEGMENT, "planned"),
        ),
        "percentunit",
    )  # fmt: skip


def _differences() -> Panel:
    return Panel(
        "New minus old", "Difference of each ratio, standardised to one mix of segments: mix alone makes none.",
        (Target(Recorded.SIGNAL_DIFFERENCE, "{{signal}}"),), "none",
    )  # fmt: skip


def _evidence(spec: Spec) -> Panel:
    return Panel(
        "Evidence against the new version", "The judge's evidence by signal and segment; it alarms from 1.",
        (
            Target(
                f"{names.SIGNAL_LOG_EVIDENCE.name} / on (signal, user_segment) {names.SIGNAL_THRESHOLD.name}",
                "{{signal}} {{user_segment}}",
            ),
        ),
        "none", steps=up_to(1), leads_to=uid(spec, "judge"),
    )  # fmt: skip


def _endpoint_errors() -> Panel:
    return Panel(
        "Errors by endpoint", "The ten endpoints with the highest error rate.",
        (Target(f"topk(10, {Recorded.ERRORS_BY_ENDPOINT}{V})", "{{version}} {{endpoint}}"),),
        "percentunit", "bargauge",
    )  # fmt: skip


def _endpoint_p95() -> Panel:
    return Panel(
        "P95 by endpoint", "The ten slowest endpoints.",
        (Target(f"topk(10, {Recorded.LATENCY_BY_ENDPOINT}{V})", "{{version}} {{endpoint}}"),), "s", "bargauge",
    )  # fmt: skip


def _requests() -> Panel:
    return Panel(
        "Requests", "Requests per second by version.",
        (Target(f"sum by (version) ({Recorded.REQUESTS}{V})", "{{version}}"),), "reqps",
    )  # fmt: skip


# ---------------------------------------------------------------- business


def business(spec: Spec) -> Board:
    panels = [_signal(spec, name) for name in spec.signals]
    usage = (_endpoints(), *((_consumers(),) if partner_label(spec) else ()), _retention())
    more = (_score(), _active_users(), _cache(), _revenue_ratio(spec)) if uses_instrument(spec) else ()
    return Board(
        uid(spec, "business"), f"{spec.title} - Business V1 vs V2",
        "What the new version brings: accuracy, satisfaction, revenue per match, use.",
        (
            Row("Each signal on both versions (standardised where they are compared)", tuple(panels)),
            Row("Use", usage),
            *((Row("More", more),) if more else ()),
        ),
    )  # fmt: skip


def _signal(spec: Spec, name: str) -> Panel:
    signal = spec.signals[name]
    title = name.replace("_", " ").capitalize()
    if isinstance(signal, HistogramSignal):
        targets = tuple(
            Target(f'{quantile_name("version", q)}{{signal="{name}",version=~"$version"}}', f"{{{{version}}}} {q}")
            for q in QUANTILES
        )
        limits = up_to(max(signal.targets.values())) if signal.targets else ()
        return Panel(title, f"{title}: p50, p95 and p99 by version.", targets, "s", steps=limits)
    if not isinstance(signal, RatioSignal | MeanSignal):
        level = Target(f'{Recorded.SIGNAL_LEVEL}{{signal="{name}",version=~"$version"}}', "{{version}}")
        return Panel(title, f"{title} ({signal.unit or 'as exported'}) by version.", (level,), "none")
    targets = (
        Target(f'{Recorded.SIGNAL_BY_VERSION}{{signal="{name}",version=~"$version"}}', "{{version}}"),
        Target(f'{Recorded.SIGNAL_STANDARDISED}{{signal="{name}",version=~"$version"}}', "{{version}} standardised"),
    )
    unit = "percentunit" if isinstance(signal, RatioSignal) else "none"
    text = f"{title} ({signal.unit}) by version: as it is, and standardised to one mix of segments for comparison."
    return Panel(title, text, targets, unit)


def _endpoints() -> Panel:
    return Panel(
        "API use by endpoint", "Requests per second of the ten most used endpoints.",
        (Target(f"topk(10, {Recorded.REQUESTS_BY_ENDPOINT}{V})", "{{version}} {{endpoint}}"),), "reqps", width=12,
    )  # fmt: skip


def _consumers() -> Panel:
    return Panel(
        "API consumers", "Partners that asked within the last hour, by version: how far they have moved.",
        (Target(f"{Recorded.CONSUMERS}{V}", "{{version}}"),), "none", width=12,
    )  # fmt: skip


def _retention() -> Panel:
    return Panel(
        "Customer retention", "Share of the users of the 30 days before that came back in the last 30 days.",
        (Target(f"{Recorded.RETENTION}{V}", "{{version}}"),), "percentunit", width=12,
    )  # fmt: skip


def _score() -> Panel:
    return Panel(
        "Accuracy score", "Mean quality score of matches: another quantity than the share of successful ones.",
        (Target(f"{Recorded.SCORE}{V}", "{{version}} {{user_segment}}"),), "percentunit", width=6,
    )  # fmt: skip


def _active_users() -> Panel:
    return Panel(
        "Active users", "Users active at this moment, by version.",
        (Target(f"{Recorded.ACTIVE_USERS}{V}", "{{version}}"),), "none", width=6,
    )  # fmt: skip


def _cache() -> Panel:
    return Panel(
        "Cache hits", "Share of look-ups that the cache answered, by version and for Redis as a whole.",
        (Target(f"{Recorded.CACHE_HITS}{V}", "{{version}}"), Target(Named.REDIS_HIT_RATIO, "{{job}}")),
        "percentunit", width=6,
    )  # fmt: skip


def _revenue_ratio(spec: Spec) -> Panel:
    old, new = (f'{Recorded.SIGNAL_STANDARDISED}{{signal="revenue",version="{v}"}}' for v in spec.versions.both)
    return Panel(
        "Revenue per match, new / old", "Within the same segments; 1.1 is hoped for by the built-in spec.",
        (Target(f"max without (signal) ({new} / ignoring (version) ({old} > 0))", "V2 / V1"),), "none", width=6,
    )  # fmt: skip


# ---------------------------------------------------------------- segments and partners


def segments(spec: Spec) -> Board:
    by_segment = (
        _of_segment("Error rate", "errors", "percentunit"),
        _of_segment("Accuracy", "accuracy", "percentunit"),
        Panel(
            "P95", "95th percentile of the response time, by segment and version.",
            (Target(f"{quantile_name('version_segment', 'p95')}{S}", "{{version}} {{user_segment}}"),), "s",
        ),
        Panel(
            "Requests", "Requests per second by segment and version.",
            (Target(f"{Recorded.REQUESTS}{S}", "{{version}} {{user_segment}}"),), "reqps",
        ),
        Panel(
            "New minus old", "Difference of each ratio within each segment.",
            (
                Target(
                    f'{Recorded.SIGNAL_DIFFERENCE_BY_SEGMENT}{{user_segment=~"$user_segment"}}',
                    "{{signal}} {{user_segment}}",
                ),
            ), "none",
        ),
    )  # fmt: skip
    rows = [Row("Segments", by_segment + ((_refused(),) if uses_instrument(spec) else ()))]
    if partner_label(spec):
        rows.append(Row("Partners", tuple(_partner_panels(spec))))
    return Board(
        uid(spec, "segments"), f"{spec.title} - Segments and partners",
        "What each segment and partner meets, on both versions.", tuple(rows),
    )  # fmt: skip


def _of_segment(title: str, signal: str, unit: str) -> Panel:
    where = S.replace("{", f'{{signal="{signal}",', 1)
    target = Target(f"{Recorded.SIGNAL_BY_SEGMENT}{where}", "{{version}} {{user_segment}}")
    return Panel(title, f"{title} by segment and version.", (target,), unit)


def _refused() -> Panel:
    return Panel(
        "Refused by the rate limit", "Share of requests over the limit, by segment and version.",
        (Target(f"{Recorded.REFUSED}{S}", "{{version}} {{user_segment}}"),), "percentunit",
    )  # fmt: skip


def _partner_panels(spec: Spec) -> list[Panel]:
    panels = [
        Panel(
            "Requests by partner", "The ten busiest partners.",
            (Target(f"topk(10, sum by (partner) ({Recorded.REQUESTS_BY_PARTNER}{V}))", "{{partner}}"),), "reqps",
        ),
        Panel(
            "Errors by partner", "The ten partners that meet most errors.",
            (Target(f"topk(10, {Recorded.ERRORS_BY_PARTNER}{V})", "{{version}} {{partner}}"),),
            "percentunit", "bargauge", steps=up_to(0.001),
        ),
    ]  # fmt: skip
    if quotas(spec):
        panels.append(Panel(
            "Quota used", "The ten partners nearest to their hourly quota.",
            (Target(f"topk(10, {Recorded.PARTNER_QUOTA})", "{{partner}}"),),
            "percentunit", "bargauge", steps=up_to(1, 0.9),
        ))  # fmt: skip
    if uses_instrument(spec):
        panels.append(Panel(
            "Format compatibility", "The ten partners whose answers fit their format least.",
            (Target(f"bottomk(10, {Recorded.FORMAT_COMPATIBLE}{V})", "{{version}} {{partner}}"),),
            "percentunit", "bargauge", steps=at_least(1),
        ))  # fmt: skip
    return panels


# ---------------------------------------------------------------- SLA


def sla(spec: Spec) -> Board:
    rows = [Row("Budgets", (_budgets(spec), _availability()))]
    for name in known_slas(spec):
        declared = spec.slas.named[name]
        budget = Objective.parse(declared.objective).budget
        rows.append(Row(f"{name}: {declared.objective}", (
            Panel(
                f"{name}: bad events", "Share of bad events over several windows; the line is the budget's even pace.",
                (Target(f'{Recorded.SLA_BAD_RATIO}{{sla="{name}"}}', "{{window}} {{job}}"),),
                "percentunit", width=12, steps=up_to(budget),
            ),
            Panel(
                f"{name}: budget spent", "Share of the budget spent within the SLA's own window.",
                (Target(f'{Recorded.SLA_BUDGET_SPENT}{{sla="{name}"}}', "{{job}} spent"),),
                "percentunit", width=12, steps=up_to(1, spec.slas.states.warning),
            ),
        )))  # fmt: skip
    return Board(
        uid(spec, "sla"), f"{spec.title} - SLA and error budget",
        "What was promised, what is left of each budget, and how fast it burns.", tuple(rows),
    )  # fmt: skip


def _availability() -> Panel:
    return Panel(
        "Availability", "Share of the last five minutes that each service was there.",
        (Target(f"sort({Recorded.SERVICE_AVAILABILITY})", "{{job}}"),),
        "percentunit", "bargauge", 16, 8, at_least(0.999, 0.99),
    )  # fmt: skip


# ---------------------------------------------------------------- infrastructure


def infrastructure(spec: Spec) -> Board:
    rows = [Row("Services", (_health(uid(spec, "technical")), _restarts()))]
    parts = {"redis": _redis, "nginx": _nginx, "node": _hosts, "container": _containers}
    for kind, panels in parts.items():
        if spec.services_of(kind):
            rows.append(Row(kind.capitalize(), panels()))
    if spec.probes:
        rows.append(Row("From outside", _network(spec)))
    return Board(
        uid(spec, "infrastructure"), f"{spec.title} - Infrastructure",
        "What both versions stand on: a cause that is common to both is no difference between them.", tuple(rows),
    )  # fmt: skip


def _restarts() -> Panel:
    return Panel(
        "Restarts", "Programs that were started again after a crash, within the last hour.",
        (Target(f"sum by (process) (increase({names.ROLE_RESTARTS.name}[1h]))", "{{process}}"),),
        "none", "bargauge", steps=up_to(1),
    )  # fmt: skip


def _one(title: str, text: str, expr: str, legend: str, unit: str) -> Panel:
    return Panel(title, text, (Target(expr, legend),), unit)


def _redis() -> tuple[Panel, ...]:
    return (
        _one("Redis memory", "Used memory by node.", "redis_memory_used_bytes", "{{instance}}", "bytes"),
        _one("Redis hit ratio", "Of all nodes of a service together.", Named.REDIS_HIT_RATIO, "{{job}}", "percentunit"),
        _one(
            "Redis evictions", "Keys thrown out to make room.",
            "sum by (job, instance) (rate(redis_evicted_keys_total[$__rate_interval]))", "{{instance}}", "ops",
        ),
    )  # fmt: skip


def _nginx() -> tuple[Panel, ...]:
    return (
        _one("nginx connections", "Open connections.", "nginx_connections_active", "{{instance}}", "none"),
        _one(
            "nginx requests", "Requests per second.",
            "sum by (instance) (rate(nginx_http_requests_total[$__rate_interval]))", "{{instance}}", "reqps",
        ),
        _one(
            "nginx dropped", "Connections accepted and not handled.",
            "sum by (instance) (rate(nginx_connections_accepted[$__rate_interval]))\n"
            "- sum by (instance) (rate(nginx_connections_handled[$__rate_interval]))", "{{instance}}", "cps",
        ),
    )  # fmt: skip


def _hosts() -> tuple[Panel, ...]:
    return (
        _one(
            "CPU", "Busy share of each host.",
            '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))', "{{instance}}",
            "percentunit",
        ),
        _one(
            "Memory", "Used share of each host.",
            "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}", "percentunit",
        ),
        _one(
            "Disk", "Used share of each disk.",
            '1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs"}\n/ node_filesystem_size_bytes',
            "{{instance}} {{mountpoint}}", "percentunit",
        ),
    )  # fmt: skip


def _containers() -> tuple[Panel, ...]:
    return (
        _one(
            "Container CPU", "Cores used by container.",
            'sum by (name) (rate(container_cpu_usage_seconds_total{name!=""}[$__rate_interval]))', "{{name}}", "none",
        ),
        _one(
            "Container memory", "Working set by container.",
            'max by (name) (container_memory_working_set_bytes{name!=""})', "{{name}}", "bytes",
        ),
    )  # fmt: skip


def _network(spec: Spec) -> tuple[Panel, ...]:
    panels = [
        _one("Probe time", "How long a look from outside takes.", "probe_duration_seconds", "{{job}}", "s"),
        _one("Probe success", "1 where the last look succeeded.", "probe_success", "{{job}}", "none"),
    ]
    if any(probe.kind == "https" for probe in spec.probes.values()):
        until = "probe_ssl_earliest_cert_expiry - time()"
        text = "Time until the first certificate of the chain expires."
        panels.append(_one("Certificates", text, until, "{{instance}}", "s"))
    return tuple(panels)


# ---------------------------------------------------------------- logs and judge


def logs(spec: Spec) -> Board:
    requests = f"sum by (version, status) (rate({names.LOG_REQUESTS.name}{V}[$__rate_interval]))"
    buckets = f"sum by (le, version) (rate({names.LOG_RESPONSE_TIME.name}_bucket{V}[$__rate_interval]))"
    p95 = f"histogram_quantile(0.95, {buckets})"
    lines = f"sum by (source, format) (rate({names.LOG_LINES.name}[$__rate_interval]))"
    unparsed = f"sum by (source) (rate({names.LOG_UNPARSED.name}[$__rate_interval]))"
    metrics = (
        _one("Requests in logs", "Requests that log lines tell of.", requests, "{{version}} {{status}}", "reqps"),
        _one(
            "P95 in logs",
            "From response times in log lines.",
            p95,
            "{{version}}",
            "s",
        ),
        _one("Lines read", "Lines understood, by source and format.", lines, "{{source}} {{format}}", "wps"),
        _one("Lines not understood", "They match none of the source's formats.", unparsed, "{{source}}", "wps"),
        _one("Lag", "Age of the oldest byte that is not read yet.", names.LOG_LAG_SECONDS.name, "{{source}}", "s"),
    )
    errors = Panel(
        "Failed requests", "Lines of requests that were answered with 5xx.",
        (Target("status:[500 TO 599]", ""),), "none", "logs", 24, 12,
    )  # fmt: skip
    return Board(
        uid(spec, "logs"), f"{spec.title} - Logs", "What the services' and the load balancer's own lines say.",
        (Row("Counted from lines", metrics), Row("Lines", (errors,))), with_logs=True,
    )  # fmt: skip


def judge(spec: Spec) -> Board:
    now = (
        _verdict(6),
        Panel(
            "Signals", "The state each signal is in; no data is a state of its own.",
            (Target(f"max by (signal, user_segment, state) ({names.SIGNAL_STATE.name} == 1)", ""),),
            "none", "table", 10, 8,
        ),
        Panel(
            "Alarms", "Alarms that stand.",
            (Target(f"max by (signal, user_segment) ({names.SIGNAL_ALARM.name})", "{{signal}} {{user_segment}}"),),
            "none", "bargauge", 8, 8, up_to(1),
        ),
    )  # fmt: skip
    course = (
        _evidence(spec),
        _one(
            "Effect", "New minus old since the phase began.",
            f'{names.SIGNAL_EFFECT.name}{{user_segment=~"$user_segment"}}' if spec.segments.named
            else names.SIGNAL_EFFECT.name, "{{signal}} {{user_segment}} {{bound}}", "none",
        ),
        _one(
            "Detectable within 30 s", "The smallest ratio of rates that would be found at the present traffic.",
            names.DETECTABLE_EFFECT.name, "{{signal}} {{user_segment}}", "none",
        ),
        _gates(),
        Panel(
            "Last look", "How long ago the judge last finished a look.",
            (Target(f"time() - max({names.JUDGE_TICK.name})", "ago"),), "s", "stat", steps=up_to(30, 5),
        ),
        Panel(
            "A look takes", "Seconds for one look.", (Target(names.JUDGE_TICK_SECONDS.name, "look"),), "s", steps=GREEN,
        ),
    )  # fmt: skip
    return Board(
        uid(spec, "judge"), f"{spec.title} - Judge", "What the verdict rests on.",
        (Row("Now", now), Row("Course", course)),
    )  # fmt: skip


# ---------------------------------------------------------------- provisioning


def _provisioning(spec: Spec) -> dict[str, str]:
    sources = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": "bascule-prometheus",
                "type": "prometheus",
                "access": "proxy",
                "url": "${BASCULE_PROMETHEUS_URL}",
                "isDefault": True,
                "jsonData": {"timeInterval": "1s", "httpMethod": "POST"},
            },
            {
                "name": "Logs",
                "uid": "bascule-logs",
                "type": "elasticsearch",
                "access": "proxy",
                "url": "${BASCULE_ELASTICSEARCH_URL}",
                "jsonData": {"index": f"{names.log_index_prefix(spec.metadata.name)}-*", "timeField": "@timestamp"},
            },
        ],
    }
    providers = {
        "apiVersion": 1,
        "providers": [
            {
                "name": spec.metadata.name,
                "folder": spec.title,
                "type": "file",
                "options": {"path": "/var/lib/grafana/dashboards"},
            }
        ],
    }
    return {
        "grafana/provisioning/datasources/bascule.yml": to_yaml(sources),
        "grafana/provisioning/dashboards/bascule.yml": to_yaml(providers),
    }
