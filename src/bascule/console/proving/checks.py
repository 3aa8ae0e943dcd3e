"""The checklist's last run of each phase, kept in the state folder, and a new run in the background."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from bascule.api.identity import Identity
from bascule.api.tokens import write_private
from bascule.errors import BasculeError, UsageError
from bascule.spec import Spec

FOLDER = "checklist"
log = logging.getLogger(__name__)

if TYPE_CHECKING:  # it loads the judge, the reports and the generator: for who opens the page
    from bascule.checklist import ChecklistPhase, Item, Looked, SignOff


class KeptEvidence(BaseModel):
    asked: str
    found: str


class KeptItem(BaseModel):
    item: str
    state: str
    why: str = ""
    evidence: list[KeptEvidence] = []


class KeptRun(BaseModel):
    """As `bascule checklist --json` prints it."""

    at: str
    declaration: str = ""
    items: list[KeptItem] = []


@dataclass(frozen=True)
class ItemRow:
    """An item, what the last run found, and who signed it; `found` is None before a run."""

    item: Item
    found: KeptItem | None
    signature: SignOff | None

    @property
    def look(self) -> str:
        from bascule.checklist import ItemState

        looks: dict[str, str] = {ItemState.PASSED: "ok", ItemState.FAILED: "bad"}
        return looks.get(self.found.state, "no_data") if self.found else "undecided"

    @property
    def is_signed(self) -> bool:
        """Whether there is a sign-off, of what there is now."""
        return self.signature is not None and not self.signature.stale

    @property
    def word(self) -> str:
        return self.found.state if self.found else "not checked yet"


@dataclass(frozen=True)
class ChecksView:
    """`at`: of the last run, as RFC 3339; `outdated`: of one that was of another spec, and counts no longer."""

    phase: ChecklistPhase
    rows: Sequence[ItemRow]
    at: str
    outdated: str
    running_since: float | None
    problem: str

    @property
    def counts(self) -> dict[str, int]:
        words = [row.word for row in self.rows]
        return {word: words.count(word) for word in dict.fromkeys(words)}

    @property
    def waiting(self) -> int:
        return sum(bool(row.item.to_sign) and not row.is_signed for row in self.rows)


def keep(spec: Spec, document: dict[str, object]) -> None:
    """Keep what a run found; one that cannot be written is told, and lost."""
    try:
        write_private(_path(spec, str(document["phase"])), json.dumps(document, indent=1))
    except BasculeError as error:
        log.warning("%s", error.what)


def _path(spec: Spec, phase: str) -> Path:
    return spec.stack.state / FOLDER / f"{phase}.json"


@dataclass
class Checklists:
    """One run at a time; `clock` in Unix seconds."""

    spec: Spec
    clock: Callable[[], float] = time.time
    _running: tuple[ChecklistPhase, float] | None = field(default=None, init=False)
    _problem: str = field(default="", init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def view(self, phase: ChecklistPhase) -> ChecksView:
        from bascule.checklist import items_of, signatures

        last, signed = self._last(phase), signatures(self._signing)
        run = last if last and last.declaration == Identity.of(self.spec).digest else None
        found = {each.item: each for each in run.items} if run else {}
        rows = [ItemRow(item, found.get(item.key), signed.get(item.key)) for item in items_of(phase)]
        running = self._running
        since = running[1] if running and running[0] is phase else None
        outdated = last.at if last and not run else ""
        return ChecksView(phase, rows, run.at if run else "", outdated, since, self._problem)

    def start(self, phase: ChecklistPhase) -> None:
        """Raises UsageError while another runs."""
        with self._lock:
            if self._running:
                raise UsageError(f"the {self._running[0]} checklist is already being checked", "wait until it is done")
            self._running = phase, self.clock()
        threading.Thread(target=self._run, args=(phase,), name="checklist", daemon=True).start()

    def sign(self, key: str, who: str, note: str) -> None:
        """Raises UsageError for an item that there is not, or that nobody has to sign."""
        from bascule.checklist import item_named, sign

        sign(self._signing, item_named(key), who, note)

    @cached_property
    def _signing(self) -> Looked:
        """For sign-offs alone, which depend on the spec and the journal: it keeps what it has computed of the spec."""
        from bascule.checklist import Looked

        return Looked(self.spec)

    def _run(self, phase: ChecklistPhase) -> None:
        from bascule import checklist

        try:
            checked = checklist.check(checklist.Looked(self.spec), phase)
            keep(self.spec, checklist.as_json(self.spec, phase, checked))
            self._problem = ""
        except BasculeError as error:
            self._problem = error.what
        except Exception as error:  # an item's own defect must not leave the page waiting
            log.exception("the checklist ended")
            self._problem = f"internal error: {error}"
        finally:
            self._running = None

    def _last(self, phase: ChecklistPhase) -> KeptRun | None:
        try:
            return KeptRun.model_validate_json(_path(self.spec, phase).read_bytes())
        except (OSError, ValidationError):
            return None
