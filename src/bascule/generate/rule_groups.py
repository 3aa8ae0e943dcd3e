"""Every rule group of a spec, in the files it goes to. A chain of rules stands in one group, in order."""

from __future__ import annotations

from bascule.conventions import RuleGroup
from bascule.generate.alerts import (
    cache_alerts,
    judge_alerts,
    no_data_alerts,
    service_alerts,
    signal_alerts,
    traffic_alerts,
)
from bascule.generate.alerts_infrastructure import infrastructure_alerts
from bascule.generate.alerts_monitoring import monitoring_alerts
from bascule.generate.alerts_targets import rollback_alerts, target_alerts
from bascule.generate.no_data import no_data_rules
from bascule.generate.recording import cache_rules, service_rules, signal_rules, traffic_rules
from bascule.generate.rules import Group
from bascule.generate.sla_rules import INTERVAL_SECONDS as SLA_INTERVAL_SECONDS
from bascule.generate.sla_rules import sla_alerts, sla_growth, sla_rules
from bascule.generate.usage import usage_interval, usage_rules
from bascule.spec import Spec
from bascule.spec.growth import INTERVAL_SECONDS as GROWTH_INTERVAL_SECONDS


def rule_files(spec: Spec) -> dict[str, list[Group]]:
    """File name (without folder and ending) to its groups; groups without rules are left out.

    A group reads what it and those before it record, never what comes later: tests evaluate them in this order.
    """
    files = {
        "signals": [Group(RuleGroup.SUPERSMARTMATCH, (*signal_rules(spec), *signal_alerts(spec)))],
        "migration": [Group(RuleGroup.MIGRATION, (*traffic_rules(spec), *traffic_alerts(spec)))],
        "services": [
            Group(RuleGroup.CRITICAL_ALERTS, (*service_rules(spec), *service_alerts(spec))),
            Group(RuleGroup.REDIS, (*cache_rules(spec), *cache_alerts(spec))),
        ],
        "judge": [Group(RuleGroup.JUDGE_ALERTS, tuple(judge_alerts(spec)))],
        "usage": [Group(RuleGroup.USAGE, tuple(usage_rules(spec)), usage_interval(spec))],
        "targets": [
            Group(RuleGroup.TARGETS, tuple(target_alerts(spec))),
            Group(RuleGroup.ROLLBACK, tuple(rollback_alerts(spec))),
        ],
        "sla": [Group(RuleGroup.SLA, (*sla_rules(spec), *sla_alerts(spec)), SLA_INTERVAL_SECONDS)],
        "sla-growth": [Group(RuleGroup.SLA_GROWTH, tuple(sla_growth(spec)), GROWTH_INTERVAL_SECONDS)],
        "infrastructure": [Group(RuleGroup.INFRASTRUCTURE, tuple(infrastructure_alerts(spec)))],
        "monitoring": [Group(RuleGroup.MONITORING, tuple(monitoring_alerts(spec)))],
        "no-data": [Group(RuleGroup.NO_DATA_ALERTS, (*no_data_rules(spec), *no_data_alerts(spec)))],
    }
    full = {name: [group for group in groups if group.rules] for name, groups in files.items()}
    return {name: groups for name, groups in full.items() if groups}


def rule_groups(spec: Spec) -> list[Group]:
    return [group for groups in rule_files(spec).values() for group in groups]
