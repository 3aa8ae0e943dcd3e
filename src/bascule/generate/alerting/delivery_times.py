"""How long an alert takes at worst from the fault to the message: what the scrape settings and routes allow.

Scrape + evaluation (of every group that a chain passes) + `for` + the route's group wait. What a rate over five
minutes needs to cross its threshold is added to it: that is the fault's size, not a setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter

from bascule.alerts import Alerting
from bascule.conventions import Alert, Severity
from bascule.generate.alerting.alertmanager_config import MACHINE
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.generate.prometheus.rules import Group
from bascule.spec import Spec
from bascule.times import lasting

JOURNAL_SECONDS = 2.0  # from what it is told of to its first attempt
PAGES = tuple(severity for severity in Severity if severity.pages)
_RECORDED = re.compile(r"[a-zA-Z_]\w*:[\w:]+")


@dataclass(frozen=True)
class Route:
    """One way to a receiver: its seconds for a service that is down, and its slowest alert of each severity."""

    receiver: str
    service_down: float
    slowest: Mapping[Severity, tuple[str, float]]  # severity: alert, seconds

    def __str__(self) -> str:
        slow = [f"{kind} at most {lasting(most)} ({name})" for kind, (name, most) in self.slowest.items()]
        return f"{self.receiver}: {Alert.SERVICE_DOWN} {lasting(self.service_down)}; {', '.join(slow)}"


def routes(spec: Spec) -> list[Route]:
    """The machine's route to the journal, and the journal's to everyone that it tells at once."""
    alerts = list(worst_cases(spec))
    people = [_route(name, JOURNAL_SECONDS, PAGES, alerts) for name in told_at_once(spec)]
    return [_route(MACHINE, 0.0, (*PAGES, Severity.GATE), alerts), *people]


def told_at_once(spec: Spec) -> list[str]:
    """The escalations' steps that wait for nothing, and everyone outside the escalations."""
    firsts = [step.to for steps in spec.notify.escalation.values() for step in steps if step.after == 0]
    return list(dict.fromkeys([*firsts, *spec.notify.at_once]))


def _route(receiver: str, wait: float, severities: tuple[Severity, ...], alerts: list[tuple[Alerting, float]]) -> Route:
    down = max(lag for alert, lag in alerts if alert.name.endswith(Alert.SERVICE_DOWN))
    slowest = {
        severity: max(
            ((a.name, lag + wait) for a, lag in alerts if a.labels["severity"] == severity), key=itemgetter(1)
        )
        for severity in severities
    }
    return Route(receiver, down + wait, slowest)


def worst_cases(spec: Spec) -> Iterator[tuple[Alerting, float]]:
    """Each alert with its seconds from the fault until it fires, at worst."""
    recorded: dict[str, tuple[Group, float]] = {}  # name: its group, and how long what it reads takes to be recorded
    for group in rule_groups(spec):  # in the order in which they read one another
        for rule in group.rules:
            reads = [recorded[name] for name in set(_RECORDED.findall(rule.expr)) if name in recorded]
            before = max((lag + _evaluation(spec, other, group) for other, lag in reads), default=0.0)
            if isinstance(rule, Alerting):
                yield rule, spec.stack.scrape.interval + before + _evaluation(spec, group, None) + rule.hold
            else:
                recorded[rule.name] = group, max(before, recorded.get(rule.name, (group, 0.0))[1])


def _evaluation(spec: Spec, group: Group, reader: Group | None) -> float:
    """What a group's turn takes at worst; nothing for a reader in the same group, which follows at once."""
    return 0.0 if group is reader else group.interval or spec.stack.scrape.evaluation
