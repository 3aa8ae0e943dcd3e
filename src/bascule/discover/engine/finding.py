"""What was found of one ability of an engine."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bascule.times import lasting

__all__ = ["EngineFinding", "Ability", "State", "differs", "lacks", "ok", "span", "told", "unknown"]

INDENT = " " * 10
State = Literal["ok", "differs", "lacks", "unknown"]


@dataclass(frozen=True)
class Ability:
    """`state`: ok; differs (Bascule works, with this `effect`); lacks (the `effect` says what is wrong or does not
    work); unknown (nothing is there to measure it by). `effect` ends with what to do, where something can be done.
    """

    state: State
    what: str
    effect: str = ""


def ok(what: str) -> Ability:
    return Ability("ok", what)


def differs(what: str, effect: str) -> Ability:
    return Ability("differs", what, effect)


def lacks(what: str, effect: str) -> Ability:
    return Ability("lacks", what, effect)


def unknown(what: str, effect: str = "") -> Ability:
    return Ability("unknown", what, effect)


def span(seconds: float) -> str:
    """`0.5 s`, `1.37 s`, `2 min 5 s`."""
    return f"{max(0.0, seconds):.3g} s" if seconds < 10 else lasting(seconds)


@dataclass(frozen=True)
class EngineFinding:
    """An ability of an engine, and what was found of it."""

    subject: str
    state: State
    found: str
    effect: str = ""

    @property
    def ok(self) -> bool:
        return self.state != "lacks"

    def __str__(self) -> str:
        line = f"{self.state:8}  {self.subject}: {self.found}"
        return (
            f"{line}\n{textwrap.fill(self.effect, 120, initial_indent=INDENT, subsequent_indent=INDENT)}"
            if self.effect
            else line
        )


def told(findings: Sequence[EngineFinding]) -> list[str]:
    """A line for each finding, and at the end which abilities are lacking and which are there."""
    lacking, there = _subjects(findings, "lacks"), _subjects(findings, "ok")
    end = f"Wrong or not working here: {lacking}. Works: {there}." if lacking else "All that Bascule needs works here."
    return [*map(str, findings), end]


def _subjects(findings: Iterable[EngineFinding], state: State) -> str:
    return ", ".join(finding.subject for finding in findings if finding.state == state)
