"""The same rules and scrapes for VictoriaMetrics and its vmalert.

vmalert of Debian 12 knows no `keep_firing_for`, evaluates each minute what does not say how often, and refuses what it
does not know; VictoriaMetrics refuses settings of Prometheus that it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bascule.alerts import Alerting
from bascule.generate.prometheus.prometheus_config import prometheus_config
from bascule.generate.prometheus.rule_groups import unshared_rule_files
from bascule.generate.prometheus.rules import Group, Recording, Rule, RuleFiles
from bascule.generate.render import to_yaml
from bascule.promql import indent
from bascule.spec import Spec
from bascule.spec.quantities import format_duration

FOLDER = "victoriametrics"
NOT_THERE = ("rule_files", "alerting", "remote_write")  # vmalert has the first two, its flags the last
NOT_GLOBAL = ("evaluation_interval",)
OF_VMALERT = ("alertname", "alertstate", "alertgroup")


def victoriametrics_files(spec: Spec) -> dict[str, str]:
    """Relative path to text."""
    rules = {
        f"{FOLDER}/rules/{name}.yml": to_yaml({"groups": [group.as_yaml() for group in groups]})
        for name, groups in _rule_files(spec).items()
    }
    return {f"{FOLDER}/scrape.yml": to_yaml(_scrape_config(spec)), **rules}


def _scrape_config(spec: Spec) -> dict[str, Any]:
    config = {key: value for key, value in prometheus_config(spec).items() if key not in NOT_THERE}
    return config | {"global": {key: value for key, value in config["global"].items() if key not in NOT_GLOBAL}}


def victoriametrics_groups(spec: Spec) -> list[Group]:
    """Every rule group, as vmalert has it."""
    return [group for groups in _rule_files(spec).values() for group in groups]


def _rule_files(spec: Spec) -> RuleFiles:
    return {
        name: [suited(replace(group, interval=group.interval or spec.stack.scrape.evaluation)) for group in groups]
        for name, groups in unshared_rule_files(spec).items()
    }


def suited(group: Group) -> Group:
    """The same alerts at the same times, with what vmalert knows."""
    return replace(group, rules=tuple(each for rule in group.rules for each in _without_keeping(rule)))


def _without_keeping(rule: Rule) -> Iterator[Rule]:
    """An alert that keeps firing: while it fires, what its condition was within that time is its condition."""
    if not isinstance(rule, Alerting) or not rule.keep_firing_for:
        yield rule
        return
    held = Recording(_held_name(rule), rule.expr)
    yield held
    firing = ", ".join(f'{name}="{value}"' for name, value in {"alertname": rule.name, **rule.labels}.items())
    own = ", ".join(dict.fromkeys((*OF_VMALERT, *rule.labels)))
    kept = (
        f"last_over_time({held.name}[{format_duration(rule.keep_firing_for)}])\n"
        f'and ignoring ({own})\nALERTS{{alertstate="firing", {firing}}}'
    )
    yield replace(rule, expr=f"(\n{indent(rule.expr)}\n)\nor\n(\n{indent(kept)}\n)", keep_firing_for=0.0)


def _held_name(rule: Alerting) -> str:
    """One for each rule: an alert's name and labels tell it apart."""
    labels = "_".join(value for name, value in sorted(rule.labels.items()) if name != "severity")
    return re.sub(r"[^\w:]", "_", f"alert:{rule.name}_{labels}:condition")
