"""Running the spec's hook that moves the traffic share: the record and the deed are one. No shell is involved."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bascule.errors import BasculeError, ProcessFailed
from bascule.incidents.model import PhaseStep
from bascule.processes.command import TooSlow
from bascule.processes.command import run as run_command

_PLACE = re.compile(r"\{(share|percent|number|who|why)\}")
_SHOWN = 500  # characters of a failed hook's output that are shown


class HookFailed(BasculeError):
    """The hook did not move the share, so the journal does not say it was moved."""

    can_retry = True

    def __init__(self, what: str, fix: str = "", *, is_unknown: bool = False) -> None:
        super().__init__(what, fix)
        self.is_unknown = is_unknown  # whether it may have moved the share anyway


def run(command: Sequence[str], step: PhaseStep, timeout: float) -> None:
    """Run the hook with `{share}`, `{percent}`, `{number}`, `{who}` and `{why}` replaced inside its arguments."""
    if not command:
        return
    argv = [_filled(argument, step) for argument in command]
    try:
        done = run_command(argv, timeout)
    except TooSlow as error:
        fix = "check which share is served, then set the phase again"
        raise HookFailed(f"the hook {error.what}", fix, is_unknown=True) from error
    except ProcessFailed as error:
        raise HookFailed(f"the hook {error.what}", "check share_hook in the spec") from error
    if done.status != 0:
        raise HookFailed(
            f"the hook {argv[0]} exited with status {done.status}: {done.said[-_SHOWN:]}",
            "fix the hook (share_hook in the spec) and try again; the phase was not changed",
        )


def _filled(argument: str, step: PhaseStep) -> str:
    """One pass, so that braces inside a person's words stay as they are."""
    values = {
        "share": f"{step.share:g}",
        "percent": f"{step.share * 100:g}",
        "number": str(step.number),
        "who": step.who,
        "why": step.why,
    }
    return _PLACE.sub(lambda match: values[match[1]], argument)
