"""Which objectives were declared when: a report of last month must not use this month's objective."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bascule import private
from bascule.errors import StoreError
from bascule.sla.report import Change
from bascule.spec import Spec

FILE = "sla/objectives.jsonl"


@dataclass(frozen=True)
class Promised:
    """The objectives as they were written from `at` on (Unix seconds)."""

    at: float
    objectives: dict[str, str]


def remember(spec: Spec, path: Path, now: float) -> tuple[Change, ...]:
    """Write the objectives down if they changed, and tell every change there was, oldest first."""
    past = read(path)
    present = {name: sla.objective for name, sla in spec.slas.named.items()}
    if not past or past[-1].objectives != present:
        past.append(Promised(now, present))
        _append(path, past[-1])
    return changes(past)


def read(path: Path) -> list[Promised]:
    if not path.exists():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
        return [Promised(float(row["at"]), dict(row["objectives"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the record of objectives {path} cannot be read: {error}", "fix or remove it") from error


def changes(past: list[Promised]) -> tuple[Change, ...]:
    """Objectives that were written differently; one that is new, or gone, has nothing to compare with."""
    found = []
    for before, after in pairwise(past):
        for name in sorted(before.objectives.keys() & after.objectives.keys()):
            if before.objectives[name] != after.objectives[name]:
                found.append(Change(after.at, name, before.objectives[name], after.objectives[name]))
    return tuple(found)


def _append(path: Path, row: Promised) -> None:
    try:
        private.append(path, json.dumps({"at": row.at, "objectives": row.objectives}, sort_keys=True) + "\n")
    except OSError as error:
        raise private.unkept("the record of objectives", path, error) from error
