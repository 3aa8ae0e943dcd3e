"""The thresholds of the SLAs are set: each is declared, recorded and alerted on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bascule.checklist.item import ItemEvidence, ItemOutcome, answered, failed, judged, pre_deployment
from bascule.checklist.looked import Looked
from bascule.conventions import Alert, Recorded
from bascule.slo import Slo, all_of


@pre_deployment(3, "SLA thresholds configurés", to_sign="the objectives are those of the contract")
def sla_thresholds(looked: Looked) -> ItemOutcome:
    slos = all_of(looked.spec)
    if not slos:
        return failed("the spec declares no SLA; add some under slas")
    return judged(_lacking(looked, slos), *(_evidence(looked, slo) for slo in slos))


def _query(slo: Slo) -> str:
    return f'count({Recorded.SLA_BAD_RATIO}{{sla="{slo.name}"}})'


def _evidence(looked: Looked, slo: Slo) -> ItemEvidence:
    found = looked.prometheus.scalar(_query(slo))
    return answered(f"{slo.name} {slo.declared.objective}, {_query(slo)}", found)


def _lacking(looked: Looked, slos: Sequence[Slo]) -> Iterator[str]:
    rules = [rule for group in looked.prometheus.rules() for rule in group["rules"]]
    breached = f"{looked.spec.alert_prefix}{Alert.SLA_BREACHED}"
    alerted = {rule.get("labels", {}).get("sla") for rule in rules if rule["name"] == breached}
    for slo in slos:
        if slo.name not in alerted:
            yield f"no alert reports a breach of {slo.name}"
        if not isinstance(looked.prometheus.scalar(_query(slo)), float):
            yield f"nothing is recorded for {slo.name}"
