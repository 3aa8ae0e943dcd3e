"""`bascule notify test`: a marked message through every receiver, so that a broken one is found before it is needed."""

from __future__ import annotations

import time
import uuid

from bascule import times
from bascule.conventions import Severity
from bascule.delivery import Delivery, Message, Policy, deliver_to_all
from bascule.errors import UsageError
from bascule.spec import Spec

_POLICY = Policy(pauses=(1.0,), timeout=10.0, limit=15.0)  # someone waits for the answer


def try_receivers(spec: Spec, who: str, only: str | None = None) -> list[Delivery]:
    """The result of a test message at each receiver, or at the one named `only`."""
    names = list(spec.notify.receivers) if only is None else [only]
    if not names:
        raise UsageError("the spec declares no receivers", "add some under notify.receivers")
    receivers = spec.notify.receivers
    if unknown := [name for name in names if name not in receivers]:
        raise UsageError(f"{unknown[0]!r} is not a declared receiver", f"declared are: {', '.join(receivers)}")
    return list(deliver_to_all(((name, receivers[name]) for name in names), _message(spec, who), _POLICY))


def _message(spec: Spec, who: str) -> Message:
    when = times.dated(time.time())
    return Message(
        key=f"{spec.metadata.name}-test-{uuid.uuid4().hex[:12]}",
        subject=f"[{spec.title}] TEST: please ignore",
        text=f"A test of this receiver, asked for by {who} at {when}. Nothing is wrong.",
        severity=Severity.WARNING,  # so that it wakes whom an alert would wake
    )
