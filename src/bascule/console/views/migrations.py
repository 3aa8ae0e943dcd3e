"""The migrations that are up beside this one: each has a state folder, beside this one's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bascule.api import IncidentsClient, JudgeClient
from bascule.api.identity import Identity
from bascule.console.texts import verdict_word
from bascule.conventions import Verdict
from bascule.errors import BasculeError
from bascule.processes.holding import Holder, holder
from bascule.spec import Spec, load

PATIENCE = 2.0  # seconds
AT_ONCE = 8
MOST = 50  # folders that are looked at


@dataclass(frozen=True)
class MigrationRow:
    """`phase`: the step and its share, in words. What does not answer is said in `problem`."""

    title: str
    versions: str
    state: Path
    is_this: bool
    url: str = ""
    verdict: str = Verdict.NO_DATA.value
    word: str = "No data"
    since: datetime | None = None
    phase: str = "not known"
    problem: str = ""


def migrations(spec: Spec) -> list[MigrationRow]:
    """This one first, then by title."""
    found = list(_up(spec.stack.state.absolute()))
    with ThreadPoolExecutor(AT_ONCE) as workers:
        rows = list(workers.map(lambda each: _row(spec, *each), found))
    if not any(row.is_this for row in rows):  # served alone, beside a stack that others started
        rows.append(_asked(spec, spec, spec.stack.state.absolute()))
    return sorted(rows, key=lambda row: (not row.is_this, row.title))


def _up(state: Path) -> Iterator[tuple[Path, Holder]]:
    """The folders beside a state folder that a stack holds."""
    for folder in sorted(state.parent.iterdir())[:MOST] if state.parent.is_dir() else ():
        try:
            held = holder(folder) if folder.is_dir() else None
        except BasculeError:
            continue
        if held:
            yield folder, held


def _row(this: Spec, state: Path, held: Holder) -> MigrationRow:
    if state == this.stack.state.absolute():
        return _asked(this, this, state)
    try:
        return _asked(this, _kept_in(state, _spec_of(state, held)), state)
    except BasculeError as error:
        return MigrationRow(Path(held.spec).stem, "", state, is_this=False, problem=error.what)


def _spec_of(state: Path, held: Holder) -> Spec:
    """A path that is not absolute is of the folder in which the stack was started: that of the state folder's."""
    path = Path(held.spec)
    beside = state.parent.parent / path
    return load(beside if not path.is_absolute() and beside.is_file() else held.spec)


def _kept_in(state: Path, spec: Spec) -> Spec:
    """With the secrets of the folder that was found: its own path may be relative to another place."""
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": state})})


def _asked(this: Spec, spec: Spec, state: Path) -> MigrationRow:
    versions = " → ".join(version.upper() for version in spec.versions.both)
    is_this = Identity.of(spec).is_same_migration(Identity.of(this)) and state == this.stack.state.absolute()
    judge, journal = JudgeClient(spec, seconds=PATIENCE), IncidentsClient(spec, seconds=PATIENCE)
    try:
        told, step = judge.verdict(), journal.phase()
    except BasculeError as error:
        return MigrationRow(spec.title, versions, state, is_this, spec.stack.page("console"), problem=error.what)
    finally:
        judge.close()
        journal.close()
    phase = f"phase {step.number} of {len(spec.phases)}, {step.share:.0%} on {spec.versions.candidate.upper()}"
    word = verdict_word("en", told.verdict)
    return MigrationRow(spec.title, versions, state, is_this, spec.stack.page("console"), told.verdict.value, word,
                        told.since, phase)  # fmt: skip
