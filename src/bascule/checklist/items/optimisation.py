"""What the monitoring costs: series that nothing reads, the heaviest rules, the names with most series."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.checklist.deployed import RunningGroup, groups_of
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, judged, post_deployment
from bascule.checklist.looked import Looked
from bascule.discover.verify import expressions, selectors_of
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.spec import Spec

SHOWN = 5


def _signed(spec: Spec) -> object:
    return [group.as_yaml() for group in rule_groups(spec)]


@post_deployment(
    5,
    "Monitoring optimization implemented",
    to_sign="what is listed here is kept on purpose, or was removed",
    signed=_signed,
)
def optimisation(looked: Looked) -> ItemOutcome:
    groups = groups_of(looked.spec, looked.running)
    if looked.rule_differences:
        return cannot("Prometheus does not run the rules of this spec (item alerting-rules says where they differ)")
    if idle := [str(group["name"]) for group in groups if not group.get("evaluationTime")]:
        return cannot(f"no evaluation of {', '.join(idle)} is known")
    names = looked.prometheus.label_values("__name__")
    if not names:
        return cannot("Prometheus holds no series")
    slow = [g for g in groups if g.get("evaluationTime", 0.0) > g.get("interval", 0.0)]
    problems = [f"group {g['name']} takes {g['evaluationTime']:.2f} s, longer than its interval" for g in slow]
    return judged(problems, _heaviest(groups), _largest(looked), _unread(looked, names))


def _heaviest(groups: Sequence[RunningGroup]) -> ItemEvidence:
    rules = [rule for group in groups for rule in group["rules"]]
    rules.sort(key=lambda rule: -rule.get("evaluationTime", 0.0))
    told = ", ".join(f"{rule['name']} {rule.get('evaluationTime', 0.0) * 1000:.1f} ms" for rule in rules[:SHOWN])
    return ItemEvidence("heaviest rules (/api/v1/rules)", told)


def _largest(looked: Looked) -> ItemEvidence:
    found = list(looked.prometheus.series_counts().items())[:SHOWN]
    return ItemEvidence("most series (/api/v1/status/tsdb)", ", ".join(f"{name} {number}" for name, number in found))


def _unread(looked: Looked, names: Sequence[str]) -> ItemEvidence:
    """Names that are scraped, and that no rule, alert, panel or signal reads."""
    read = {s.partition("{")[0] for asked in expressions(looked.files) for s in selectors_of(asked.expression)}
    for signal in looked.spec.signals.values():
        read.update(name for selector in signal.selectors.values() for name in selector.names)
    unread = [name for name in names if name not in read]
    few = ", ".join(unread[:SHOWN])
    return ItemEvidence("names that nothing generated reads", f"{len(unread)} of {len(names)}, such as {few}")
