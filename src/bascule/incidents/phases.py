"""Changing the plan's present step: the intention is written down, then the hook moves the share, then the result.

A process that ends in between leaves the intention behind: the next one says that the share is unknown.
"""

from __future__ import annotations

import threading

from bascule.conventions import EntryKind
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
        raise UsageError("`who` is required for a change of the share", "add --who NAME")
    return PhaseStep(at, number, share, who, why)


def change(spec: Spec, store: Store, step: PhaseStep, expected: PhaseStep | None = None) -> PhaseStep:
    """Move the share by the spec's hook, and write down its result; one change at a time.

    `expected`: the step that the change rests on. Raises UsageError when that is no longer the present one, StoreError
    before anything was moved when the journal cannot be written, HookFailed when the hook failed.
    """
    with _one_at_a_time:
        if expected is not None and store.phase() != expected:
            raise UsageError(
                "the plan was changed in the meantime", "check the current step with `bascule phase show`, then decide"
            )
        move = store.intend(step)
        if spec.share_hook is not None:
            _move(spec.share_hook.run, spec.share_hook.timeout, store, step, move)
        store.finish_move(move, step)
    return step


def _move(command: list[str], timeout: float, store: Store, step: PhaseStep, move: int) -> None:
    try:
        hook.run(command, step, timeout)
    except hook.HookFailed as error:
        outcome = "it is unknown which share is served" if error.is_unknown else "the share was not changed"
        text = f"phase {step.number} ({step.share:.0%}): {outcome}: {error.what}"
        told = Entry(step.at, EntryKind.HOOK_FAILED, text, step.who)
        store.abandon_move(move, "unknown" if error.is_unknown else "failed", error.what, told)
        raise


def recover(store: Store, now: float) -> None:
    """What a process that ended in the middle of a move left behind is told on the timeline."""
    for move, step in store.open_moves():
        text = f"phase {step.number} ({step.share:.0%}): it is unknown which share is served: the journal was stopped"
        told = Entry(now, EntryKind.HOOK_FAILED, text, step.who)
        store.abandon_move(move, "unknown", "the journal was stopped while the hook ran", told)
