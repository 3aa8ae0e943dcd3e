"""Every rule group of a spec, in the files it goes to. A chain of rules is in one group, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bascule import promql
from bascule.alerts import Alerting
from bascule.conventions import RuleGroup, Severity
from bascule.generate.alerting.alerts import group_alerts
from bascule.generate.prometheus.no_data import no_data_rules
from bascule.generate.prometheus.recording import (
    cache_rules,
    distribution_rules,
    distributions,
    probe_rules,
    service_rules,
    signal_rules,
    traffic_rules,
)
from bascule.generate.prometheus.rules import Group, Recording, Rule, RuleFiles
from bascule.generate.prometheus.sharing import shared
from bascule.generate.prometheus.sla_rules import INTERVAL_SECONDS as SLA_INTERVAL_SECONDS
from bascule.generate.prometheus.sla_rules import sla_alerts, sla_growth, sla_rules
from bascule.generate.prometheus.usage import target_interval, target_rules, usage_interval, usage_rules
from bascule.prometheus import merged_expression
from bascule.spec import Spec
from bascule.spec.growth import INTERVAL_SECONDS as GROWTH_INTERVAL_SECONDS

SIGNALS = "signals"  # evaluated most often
SOON_SECONDS = 60.0
DISTRIBUTION_SECONDS = 15.0  # a twentieth of the window of recorded rates


def rule_files(spec: Spec) -> RuleFiles:
    """Groups without rules are left out.

    A group reads what it and those before it record, never what comes later: tests evaluate them in this order.
    """
    files = _files(spec)
    files[SIGNALS] = shared(files[SIGNALS])
    return _read_once(spec, files)


def unshared_rule_files(spec: Spec) -> RuleFiles:
    """The same, in which each rule of the signals computes all that it needs."""
    return _read_once(spec, _files(spec))


def _files(spec: Spec) -> RuleFiles:
    files = {
        SIGNALS: [
            _group(spec, RuleGroup.DISTRIBUTIONS, distribution_rules(spec), _distribution_interval(spec)),
            _group(spec, RuleGroup.SUPERSMARTMATCH, signal_rules(spec)),
        ],
        "migration": [_group(spec, RuleGroup.MIGRATION, traffic_rules(spec))],
        "services": [
            _group(spec, RuleGroup.CRITICAL_ALERTS, service_rules(spec)),
            _group(spec, RuleGroup.REDIS, cache_rules(spec)),
        ],
        "judge": [_group(spec, RuleGroup.JUDGE_ALERTS)],
        "usage": [
            _group(spec, RuleGroup.USAGE, usage_rules(spec), usage_interval(spec)),
            _group(spec, RuleGroup.TARGET_COUNTS, target_rules(spec), target_interval(spec)),
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
    own = interval or _pace(spec, rules)
    return Group(name, rules, None if own == spec.stack.scrape.evaluation else own)


def _distribution_interval(spec: Spec) -> float:
    """Every bucket of every series is read for it: as often as the other rates where a quantile pages soon."""
    steady = spec.stack.scrape.steady_evaluation
    read_by_bucket = distributions(spec)
    soon = (each for each in spec.rollback if each.hold < SOON_SECONDS)
    pages_soon = any(each.when.measure.partition(".")[0] in read_by_bucket for each in soon)
    return steady if pages_soon else max(DISTRIBUTION_SECONDS, steady)


def _pace(spec: Spec, rules: Iterable[Rule]) -> float:
    """As often as targets are scraped where an alert pages within a minute: what looks back over minutes costs most."""
    pages_soon = any(_pages_soon(rule) for rule in rules if isinstance(rule, Alerting))
    return spec.stack.scrape.evaluation if pages_soon else spec.stack.scrape.steady_evaluation


def _pages_soon(alert: Alerting) -> bool:
    return alert.hold < SOON_SECONDS and Severity.of(alert.labels["severity"]).pages


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
