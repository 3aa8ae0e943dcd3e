"""Changing the plan's present step: checked against the spec, done by the hook, then written down."""

from __future__ import annotations

import threading

from bascule.errors import UsageError
from bascule.incidents import hook
from bascule.incidents.model import Entry, PhaseStep
from bascule.incidents.store import Store
from bascule.spec import Spec

_one_at_a_time = threading.Lock()


def wanted(spec: Spec, at: float, number: int, share: float | None, who: str, why: str) -> PhaseStep:
    """The step that is asked for; the share is the phase's own unless another is given. Phase 0 is before the first."""
    if not 0 <= number <= len(spec.phases):
        raise UsageError(f"there is no phase {number}", f"phases are 0 (before the first) to {len(spec.phases)}")
    planned = spec.phases[number - 1].share if number else 0.0
    share = planned if share is None else share
    if not 0 <= share <= 1:
        raise UsageError(f"{share:g} is not a share", "give a number from 0 to 1, or a percentage")
    if not who.strip():
        raise UsageError("a change of the share must say who makes it", "give 'who'")
    return PhaseStep(at, number, share, who, why)


def change(spec: Spec, store: Store, step: PhaseStep) -> PhaseStep:
    """Move the share by the spec's hook, and write it down only when it was moved; one change at a time."""
    with _one_at_a_time:
        if spec.share_hook is not None:
            _move(spec.share_hook.run, spec.share_hook.timeout, store, step)
        store.set_phase(step)
    return step


def _move(command: list[str], timeout: float, store: Store, step: PhaseStep) -> None:
    try:
        hook.run(command, step, timeout)
    except hook.HookFailed as error:
        text = f"phase {step.number} ({step.share:.0%}) was not reached: {error.what}"
        store.add(Entry(step.at, "hook_failed", text, step.who))
        raise
