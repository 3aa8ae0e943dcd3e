"""Running the spec's hook that moves the traffic share: the record and the deed are one. No shell is involved."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from bascule.errors import BasculeError
from bascule.incidents.model import PhaseStep

_PLACE = re.compile(r"\{(share|percent|number|who|why)\}")
_SHOWN = 500  # characters of a failed hook's output that are shown


class HookFailed(BasculeError):
    """The hook did not move the share, so the journal does not say it was moved."""

    can_retry = True


def run(command: Sequence[str], step: PhaseStep, timeout: float) -> None:
    """Run the hook with `{share}`, `{percent}`, `{number}`, `{who}` and `{why}` replaced inside its arguments."""
    if not command:
        return
    argv = [_filled(argument, step) for argument in command]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise HookFailed(
            f"the hook {argv[0]} did not end within {timeout:g} s", "the share may be in between"
        ) from error
    except OSError as error:
        raise HookFailed(f"the hook {argv[0]} cannot be started: {error}", "check share_hook in the spec") from error
    if done.returncode != 0:
        shown = (done.stderr or done.stdout).strip()[-_SHOWN:]
        raise HookFailed(f"the hook {argv[0]} failed with {done.returncode}: {shown}", "the phase was not changed")


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
