"""The thresholds of the SLAs are set: each is declared, and recorded and alerted on as the spec says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bascule.checklist.deployed import first_of
from bascule.checklist.item import ItemEvidence, ItemOutcome, answered, failed, judged, pre_deployment
from bascule.checklist.looked import Looked
from bascule.conventions import Recorded, RuleGroup
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.slo import Slo, all_of
from bascule.spec import Spec

OF_SLAS = (RuleGroup.SLA, RuleGroup.SLA_GROWTH)  # what they record, and every alert on it


def _signed(spec: Spec) -> object:
    rules = [group.as_yaml() for group in rule_groups(spec) if group.name in OF_SLAS]
    return [spec.slas.model_dump(mode="json"), rules]


@pre_deployment(3, "SLA thresholds configurés", to_sign="the objectives are those of the contract", signed=_signed)
def sla_thresholds(looked: Looked) -> ItemOutcome:
    slos = all_of(looked.spec)
    if not slos:
        return failed("the spec declares no SLA; add some under slas")
    return judged(_lacking(looked, slos), *(_evidence(looked, slo) for slo in slos))


def _query(slo: Slo) -> str:
    """Values alone: what is not a number is none."""
    recorded = f'{Recorded.SLA_BAD_RATIO}{{sla="{slo.name}"}}'
    return f"count({recorded} == {recorded})"


def _evidence(looked: Looked, slo: Slo) -> ItemEvidence:
    found = looked.prometheus.scalar(_query(slo))
    return answered(f"{slo.name} {slo.declared.objective}, {_query(slo)}", found)


def _lacking(looked: Looked, slos: Sequence[Slo]) -> Iterator[str]:
    yield from first_of([each.text for each in looked.rule_differences if each.group in OF_SLAS])
    for slo in slos:
        if not isinstance(looked.prometheus.scalar(_query(slo)), float):
            yield f"nothing is recorded for {slo.name}"
