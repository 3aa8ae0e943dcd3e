"""The history that an operator has had the judge forget: what lies before a moment does not represent V1 any more.

`state/judge/forgotten.jsonl` keeps who said so and why, a line each; the last one counts.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from bascule import private, times
from bascule.errors import UsageError
from bascule.spec import Spec

LOG = logging.getLogger("bascule.judge")


@dataclass(frozen=True)
class DroppedHistory:
    """Samples from before `before` are not read; `at`: when that was said. Unix seconds."""

    before: float
    who: str
    why: str
    at: float


def forget(spec: Spec, said: DroppedHistory) -> None:
    """Write it down; a running judge begins again at its next evaluation.

    Raises UsageError where it is about the future or nobody says it, StoreError where it cannot be written.
    """
    if said.before > said.at:
        raise UsageError(f"{times.dated(said.before)} is in the future", "give a time in the past")
    if not said.who.strip() or not said.why.strip():
        raise UsageError("a name and a reason are required to make the judge forget history", "give --who and --why")
    path = _path(spec)
    try:
        private.append(path, json.dumps(asdict(said)) + "\n")
    except OSError as error:
        raise private.unkept("what the judge is to forget", path, error) from error


def forgotten(spec: Spec) -> DroppedHistory | None:
    """What was said last; None where nothing was. A line that is torn, or of another build, is none."""
    try:
        lines = _path(spec).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        LOG.warning("what history is forgotten cannot be read: %s", error)
        return None
    return next((found for line in reversed(lines) if (found := _read(line)) is not None), None)


def _read(line: str) -> DroppedHistory | None:
    try:
        known = json.loads(line)
        return DroppedHistory(float(known["before"]), str(known["who"]), str(known["why"]), float(known["at"]))
    except (ValueError, KeyError, TypeError):
        return None


def _path(spec: Spec) -> Path:
    return spec.stack.state / "judge" / "forgotten.jsonl"
