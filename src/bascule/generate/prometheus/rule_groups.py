"""Every rule group of a spec, in the files it goes to. A chain of rules is in one group, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bascule import promql
from bascule.alerts import Alerting
from bascule.conventions import RuleGroup, Severity
from bascule.generate.alerting.alerts import group_alerts
from bascule.generate.prometheus.no_data import no_data_rules
from bascule.generate.prometheus.recording import (
    cache_rules,
    distribution_rules,
    probe_rules,
    service_rules,
    signal_rules,
    traffic_rules,
)
from bascule.generate.prometheus.rules import Group, Recording, Rule, RuleFiles
from bascule.generate.prometheus.sharing import shared
from bascule.generate.prometheus.sla_rules import INTERVAL_SECONDS as SLA_INTERVAL_SECONDS
from bascule.generate.prometheus.sla_rules import sla_alerts, sla_growth, sla_rules
from bascule.generate.prometheus.usage import (
    breakdown_rules,
    minute_interval,
    target_rules,
    usage_interval,
    usage_rules,
)
from bascule.prometheus import merged_expression
from bascule.spec import Spec
from bascule.spec.growth import INTERVAL_SECONDS as GROWTH_INTERVAL_SECONDS

SIGNALS, USAGE = "signals", "usage"  # their rules read most samples
SOON_SECONDS = 60.0
RATE_SECONDS = 15.0  # a twentieth of the window of recorded rates


def rule_files(spec: Spec) -> RuleFiles:
    """Groups without rules are left out.

    A group reads what it and those before it record, never what comes later: tests evaluate them in this order.
    """
    files = _files(spec)
    given = {series for groups in files.values() for group in groups for series in _given(group)}
    for name in {SIGNALS, USAGE}.intersection(files):
        files[name] = shared(files[name], given)
    return _read_once(spec, files)


def _given(group: Group) -> Iterator[str]:
    """The names of the series that its alerts' tests are given."""
    for case in (case for alert in group.alerts for case in alert.cases):
        yield from (series.partition("{")[0] for series in case.series)


def unshared_rule_files(spec: Spec) -> RuleFiles:
    """The same, in which each rule of the signals computes all that it needs."""
    return _read_once(spec, _files(spec))


def _files(spec: Spec) -> RuleFiles:
    files = {
        SIGNALS: [
            _signals(spec, RuleGroup.DISTRIBUTIONS, distribution_rules(spec)),
            _signals(spec, RuleGroup.SUPERSMARTMATCH, signal_rules(spec)),
        ],
        "migration": [_group(spec, RuleGroup.MIGRATION, traffic_rules(spec))],
        "services": [
            _group(spec, RuleGroup.CRITICAL_ALERTS, service_rules(spec)),
            _group(spec, RuleGroup.REDIS, cache_rules(spec)),
        ],
        "judge": [_group(spec, RuleGroup.JUDGE_ALERTS)],
        USAGE: [
            _group(spec, RuleGroup.USAGE, usage_rules(spec), usage_interval(spec)),
            _group(spec, RuleGroup.BREAKDOWNS, breakdown_rules(spec), minute_interval(spec)),
            _group(spec, RuleGroup.TARGET_COUNTS, target_rules(spec), minute_interval(spec)),
        ],
        "targets": [_group(spec, RuleGroup.TARGETS), _group(spec, RuleGroup.ROLLBACK)],
        "sla": [_group(spec, RuleGroup.SLA, (*sla_rules(spec), *sla_alerts(spec)), SLA_INTERVAL_SECONDS)],
        "sla-growth": [_group(spec, RuleGroup.SLA_GROWTH, sla_growth(spec), GROWTH_INTERVAL_SECONDS)],
        "infrastructure": [_group(spec, RuleGroup.INFRASTRUCTURE, probe_rules(spec))],
        "monitoring": [_group(spec, RuleGroup.MONITORING)],
        "no-data": [_group(spec, RuleGroup.NO_DATA_ALERTS, no_data_rules(spec))],
    }
    full = {name: [group for group in groups if group.rules] for name, groups in files.items()}
    return {name: groups for name, groups in full.items() if groups}


def _read_once(spec: Spec, files: RuleFiles) -> RuleFiles:
    """Series that are there once per replica are read as one."""
    label = spec.prometheus.replica_label
    if label is None:
        return files
    return {name: [_merged(group, label) for group in groups] for name, groups in files.items()}


def _merged(group: Group, label: str) -> Group:
    rules = (replace(rule, expr=merged_expression(rule.expr, label)) for rule in group.rules)
    return replace(group, rules=tuple(rules))


def _group(spec: Spec, name: RuleGroup, first: Iterable[Rule] = (), interval: float | None = None) -> Group:
    """A group's recorded series, and the catalogue's alerts that read them; `interval`: unless its alerts decide."""
    rules = (*first, *group_alerts(spec, name))
    steady = spec.stack.scrape.steady_evaluation
    return _paced(spec, name, rules, interval or (spec.stack.scrape.evaluation if _pages_soon(rules) else steady))


def _signals(spec: Spec, name: RuleGroup, recorded: Iterable[Rule]) -> Group:
    """A group that reads every sample of five minutes: no more often than needed."""
    rules, scrape = (*recorded, *group_alerts(spec, name)), spec.stack.scrape
    if _pages_soon(rules):
        return _paced(spec, name, rules, scrape.evaluation)
    acts_soon = any(trigger.hold < SOON_SECONDS for trigger in spec.rollback)
    return _paced(spec, name, rules, scrape.steady_evaluation if acts_soon else max(RATE_SECONDS, scrape.evaluation))


def _paced(spec: Spec, name: RuleGroup, rules: tuple[Rule, ...], interval: float) -> Group:
    return Group(name, rules, None if interval == spec.stack.scrape.evaluation else interval)


def _pages_soon(rules: Iterable[Rule]) -> bool:
    """Such alerts need evaluations as often as targets are scraped: what looks back over minutes costs most."""
    alerts = (rule for rule in rules if isinstance(rule, Alerting))
    return any(alert.hold < SOON_SECONDS and Severity.of(alert.labels["severity"]).pages for alert in alerts)


def rule_groups(spec: Spec) -> list[Group]:
    return [group for groups in rule_files(spec).values() for group in groups]


def read_with(files: RuleFiles, name: str) -> RuleFiles:
    """A rule file, and those that record what its alerts read, directly or through other recorded series."""
    recorded: dict[str, list[tuple[str, Recording]]] = {}
    for file, groups in files.items():
        for rule in (rule for group in groups for rule in group.recordings):
            recorded.setdefault(rule.name, []).append((file, rule))
    wanted, seen = {name}, set[str]()
    todo = [alert.expr for group in files[name] for alert in group.alerts]
    while todo:
        for series in _read(todo.pop(), recorded) - seen:
            seen.add(series)
            wanted |= {file for file, _ in recorded[series]}
            todo += [rule.expr for _, rule in recorded[series]]
    return {file: groups for file, groups in files.items() if file in wanted}


def _read(expression: str, names: Iterable[str]) -> set[str]:
    selectors = promql.read_by(expression)
    return {name for name in names for selector in selectors if selector.is_of(name)}
