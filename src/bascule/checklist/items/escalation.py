"""A test message reaches every level of the escalations, and who is told at once."""

from __future__ import annotations

from bascule.checklist.item import ItemEvidence, ItemOutcome, deployment, failed, judged
from bascule.checklist.looked import Looked
from bascule.delivery import Result
from bascule.incidents import try_receivers
from bascule.spec import Spec


def _signed(spec: Spec) -> object:
    return spec.notify.model_dump(mode="json")


@deployment(
    5,
    "Escalation notifications testées",
    to_sign="the people of each escalation step have seen the test message",
    signed=_signed,
)
def escalation(looked: Looked) -> ItemOutcome:
    notify = looked.spec.notify
    if not notify.receivers:
        return failed("the spec declares no receivers, so no one is notified; add some under notify.receivers")
    sent = try_receivers(looked.spec, "bascule checklist")
    reached = {each.receiver for each in sent}
    unsent = [
        f"{name} has no channel that a message can be sent by" for name in notify.receivers if name not in reached
    ]
    undelivered = [each for each in sent if each.result != Result.DELIVERED]
    lost = [f"{each.receiver} by {each.channel}: {each.result}, {each.detail}" for each in undelivered]
    levels = [
        f"{kind} level {number}: {step.to}"
        for kind, steps in notify.escalation.items()
        for number, step in enumerate(steps, 1)
    ]
    evidence = [ItemEvidence(f"test message to {each.receiver} by {each.channel}", each.result) for each in sent]
    return judged([*unsent, *lost], *evidence, ItemEvidence("levels", "; ".join(levels) or "all are told at once"))
