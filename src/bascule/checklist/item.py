"""An item of the checklist, and what came of checking it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from bascule.spec import Spec
from bascule.units import number_text

if TYPE_CHECKING:
    from bascule.checklist.looked import Looked


DIGEST_LENGTH = 12


class ChecklistPhase(StrEnum):
    PRE_DEPLOYMENT = "pre-deployment"
    DEPLOYMENT = "deployment"
    POST_DEPLOYMENT = "post-deployment"


class ItemState(StrEnum):
    """`cannot be checked` is neither passed nor failed: its reason says what would make it possible."""

    PASSED = "passed"
    FAILED = "failed"
    CANNOT = "cannot be checked"


@dataclass(frozen=True)
class ItemEvidence:
    """What was asked (a query, a file, a message), and what came of it."""

    asked: str
    found: str

    def __str__(self) -> str:
        return f"{self.asked}: {self.found}"


def answered(query: str, value: object, unit: str = "") -> ItemEvidence:
    """A query and its value; anything but a number is no data."""
    return ItemEvidence(query, f"{number_text(value)} {unit}".strip() if isinstance(value, float) else "no data")


@dataclass(frozen=True)
class ItemOutcome:
    """`why`: what is wrong, or why it cannot be checked; empty for what passed."""

    state: ItemState
    evidence: tuple[ItemEvidence, ...]
    why: str = ""


def passed(*evidence: ItemEvidence) -> ItemOutcome:
    return ItemOutcome(ItemState.PASSED, evidence)


def failed(why: str, *evidence: ItemEvidence) -> ItemOutcome:
    return ItemOutcome(ItemState.FAILED, evidence, why)


def cannot(why: str, *evidence: ItemEvidence) -> ItemOutcome:
    return ItemOutcome(ItemState.CANNOT, evidence, why)


def judged(problems: Iterable[str], *evidence: ItemEvidence, unknown: Iterable[str] = ()) -> ItemOutcome:
    """Failed where there is a problem; else not checked where something is unknown; else passed."""
    if problem := "; ".join(problems):
        return failed(problem, *evidence)
    why = "; ".join(unknown)
    return cannot(why, *evidence) if why else passed(*evidence)


Check = Callable[["Looked"], ItemOutcome]
Signed = Callable[[Spec], object]  # what a person vouches for, as plain data


def nothing(spec: Spec) -> None:
    """Of an item that nobody signs."""


@dataclass(frozen=True)
class Item:
    """One line of the checklist. `key`: its name on the command line; `title`: as the source document has it.

    `to_sign`: what a person vouches for beside; empty where the check alone decides. `signed`: what of the spec that
    is about: a sign-off is good for as long as this is the same. `check` looks, and raises BasculeError where what is
    asked does not answer: it cannot be checked then.
    """

    phase: ChecklistPhase
    number: int
    key: str
    title: str
    to_sign: str
    signed: Signed
    check: Check

    def digest(self, spec: Spec) -> str:
        """Of what a sign-off is about."""
        about = [spec.metadata.name, self.key, self.to_sign, self.signed(spec)]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:DIGEST_LENGTH]


def item(
    phase: ChecklistPhase, number: int, title: str, to_sign: str = "", signed: Signed = nothing
) -> Callable[[Check], Item]:
    """Makes an item of the function that checks it, under the function's name."""
    return lambda check: Item(phase, number, check.__name__.replace("_", "-"), title, to_sign, signed, check)


pre_deployment = partial(item, ChecklistPhase.PRE_DEPLOYMENT)
deployment = partial(item, ChecklistPhase.DEPLOYMENT)
post_deployment = partial(item, ChecklistPhase.POST_DEPLOYMENT)
