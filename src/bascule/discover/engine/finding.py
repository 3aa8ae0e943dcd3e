"""What was found of one ability of an engine."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bascule.discover.finding import DoctorFinding
from bascule.times import lasting

__all__ = ["EngineFinding", "State", "differs", "lacks", "ok", "span", "told", "unknown"]

INDENT = " " * 10
State = Literal["ok", "differs", "lacks", "unknown"]


@dataclass(frozen=True)
class EngineFinding(DoctorFinding):
    """What was found of an ability of an engine. `subject` is filled in by who asked for the measurement.

    `state`: ok; differs (Bascule works, with this `effect`); lacks (the `effect` says what is wrong or does not work);
    unknown (nothing is there to measure it by). `effect` ends with what to do, where something can be done.
    """

    state: State
    effect: str = ""

    @property
    def ok(self) -> bool:
        return self.state != "lacks"

    def __str__(self) -> str:
        if not self.effect:
            return self.line
        return f"{self.line}\n{textwrap.fill(self.effect, 120, initial_indent=INDENT, subsequent_indent=INDENT)}"


def ok(found: str) -> EngineFinding:
    return EngineFinding("", "ok", found)


def differs(found: str, effect: str) -> EngineFinding:
    return EngineFinding("", "differs", found, effect)


def lacks(found: str, effect: str) -> EngineFinding:
    return EngineFinding("", "lacks", found, effect)


def unknown(found: str, effect: str = "") -> EngineFinding:
    return EngineFinding("", "unknown", found, effect)


def span(seconds: float) -> str:
    """`0.5 s`, `1.37 s`, `2 min 5 s`."""
    return f"{max(0.0, seconds):.3g} s" if seconds < 10 else lasting(seconds)


def told(findings: Sequence[EngineFinding]) -> list[str]:
    """A line for each finding, and at the end which abilities are lacking and which are there."""
    lacking, there = _subjects(findings, "lacks"), _subjects(findings, "ok")
    end = f"Wrong or not working here: {lacking}. Works: {there}." if lacking else "All that Bascule needs works here."
    return [*map(str, findings), end]


def _subjects(findings: Iterable[EngineFinding], state: State) -> str:
    return ", ".join(finding.subject for finding in findings if finding.state == state)
