"""What drills broke and have not put right yet, a file each: of a drill that is killed outright, word remains.

An interrupt or a termination removes the fault; SIGKILL leaves no time for it. Then the file says how to restore, and
the next drill does it. The lab's own programs end with the drill; what does not (a mount, a staging) is in `restore`.
"""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bascule import times
from bascule.errors import AlreadyRunning, ProcessFailed, StoreError, UsageError
from bascule.processes import command
from bascule.scenarios.drills.once import Force
from bascule.stack import state

FILES = "in-force*.json"
FOLDER_PREFIX = "bascule-drill-"
COMMAND_SECONDS = 120.0
Report = Callable[[str], None]


@dataclass(frozen=True)
class InForce:
    """A fault that is in. `restore`: commands that take out what outlives the drill; `folder`: of the lab, if any."""

    fault: str
    since: str
    restore: Sequence[str]
    folder: str
    how: str


def noted(force: Force, out: Path, fault: str, restore: Sequence[str] = (), folder: Path | None = None) -> Force:
    """The same force; from before its injection to after its removal, `out` has word of it."""
    path = word_of(out, fault)

    def inject() -> float:
        by_hand = f"run: {' && '.join(restore)}" if restore else "nothing: the lab ended with the drill"
        how = f"If the drill was killed, {by_hand}. The next `bascule drill` with this --out does it, and removes this."
        note = InForce(fault, times.rfc3339(time.time()), restore, str(folder or ""), how)
        path.write_text(json.dumps(asdict(note), indent=2) + "\n", "utf-8")
        return force.inject()

    def remove() -> None:
        force.remove()
        path.unlink(missing_ok=True)

    return Force(inject, remove)


def word_of(out: Path, fault: str) -> Path:
    """The file that says that a fault is in force."""
    return out / FILES.replace("*", f"-{fault}")


@contextmanager
def alone_in(out: Path, report: Report) -> Iterator[None]:
    """One drill at a time writes to a folder; what an earlier one left in force is removed first."""
    try:
        with state.held(out, "a drill"):
            _restore_left(out, report)
            yield
    except AlreadyRunning as error:
        raise AlreadyRunning(f"another drill writes to {out}", "wait for it, or give another --out") from error
    except StoreError as error:
        raise UsageError(error.what, "give another --out") from error


def _restore_left(out: Path, report: Report) -> None:
    for path in sorted(out.glob(FILES)):
        _restore(path, report)


def _restore(path: Path, report: Report) -> None:
    try:
        left = InForce(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is not readable", "restore what it names by hand, and remove it") from error
    report(f"an earlier drill was killed while {left.fault!r} was in force (since {left.since}): restoring")
    for each in left.restore:
        run_command("restore", each)
    if left.folder and Path(left.folder).parent == Path(tempfile.gettempdir()) and FOLDER_PREFIX in left.folder:
        shutil.rmtree(left.folder, ignore_errors=True)
    path.unlink()


def run_command(option: str, text: str) -> None:
    """Run a command, without a shell. Raises ProcessFailed."""
    try:
        done = command.run(shlex.split(text), COMMAND_SECONDS)
    except (ValueError, ProcessFailed) as error:
        raise ProcessFailed(f"{option} {text!r} cannot be run: {error}", "check the command") from error
    if done.status:
        what = f"{option} {text!r} ended with status {done.status}: {done.said[-500:]}"
        raise ProcessFailed(what, "run the command by hand to see why")
