"""The checklist as a record of a change: Markdown for people, JSON for tools."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from bascule import times
from bascule.api.identity import Identity
from bascule.checklist.item import ChecklistPhase, ItemState
from bascule.checklist.run import Checked
from bascule.spec import Spec
from bascule.visible import in_markdown

_MARKS = {ItemState.PASSED: "x", ItemState.FAILED: " ", ItemState.CANNOT: "?"}


def as_markdown(spec: Spec, phase: ChecklistPhase, checked: Sequence[Checked]) -> str:
    lines = [
        f"# {in_markdown(spec.title)}: {phase} checklist",
        "",
        f"Checked {times.dated(time.time())}. {_summary(checked)} The titles are the source document's own words.",
        "",
    ]
    for each in checked:
        lines.append(
            f"- [{_MARKS[each.outcome.state]}] **{each.item.title}** ({each.item.key}): {in_markdown(_state(each))}"
        )
        lines += [f"  - {in_markdown(str(evidence))}" for evidence in each.outcome.evidence]
        if each.item.to_sign:
            signed = in_markdown(str(each.signature or "waits for a person"))
            lines.append(f"  - sign-off ({each.item.to_sign}): {signed}")
    return "\n".join(lines) + "\n"


def _state(each: Checked) -> str:
    return f"{each.outcome.state}: {each.outcome.why}" if each.outcome.why else each.outcome.state


def _summary(checked: Sequence[Checked]) -> str:
    counted = {state: sum(each.outcome.state is state for each in checked) for state in ItemState}
    waiting = sum(each.waits for each in checked)
    told = ", ".join(f"{number} {state}" for state, number in counted.items() if number)
    return f"{told}; {waiting} wait for a sign-off." if waiting else f"{told}."


def as_json(spec: Spec, phase: ChecklistPhase, checked: Sequence[Checked]) -> dict[str, Any]:
    return {
        "migration": spec.metadata.name,
        "declaration": Identity.of(spec).digest,
        "phase": phase,
        "at": times.rfc3339(time.time()),
        "items": [
            {
                "item": each.item.key,
                "title": each.item.title,
                "state": each.outcome.state,
                "why": each.outcome.why,
                "evidence": [{"asked": e.asked, "found": e.found} for e in each.outcome.evidence],
                "to_sign": each.item.to_sign,
                "signature": _signature(each),
            }
            for each in checked
        ],
    }


def _signature(each: Checked) -> dict[str, str] | None:
    signed = each.signature
    if signed is None:
        return None
    return {"who": signed.who, "at": times.rfc3339(signed.at), "note": signed.note, "stale": signed.stale}
