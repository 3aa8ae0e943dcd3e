"""A picture of a drill: the signal, the evidence, and when alert, delivery and removal came, on one time axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bascule.scenarios.drills.fault import Declared
from bascule.scenarios.drills.once import BEFORE_SECONDS, Drill

NAMESPACE = "http://www.w3.org/2000/svg"
WIDTH, LEFT, RIGHT = 760, 56, 740
HEIGHT, TOP, TALL, APART = 430, 40, 150, 180  # of the picture; where a panel begins, how tall it is, to the next
LONGEST = 90  # characters of an expression
Course = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class PictureAxis:
    """Time, from just before the injection to `last` seconds after it."""

    last: float

    def x(self, at: float) -> float:
        return LEFT + (RIGHT - LEFT) * (at + BEFORE_SECONDS) / (self.last + BEFORE_SECONDS)


def picture(fault: Declared, found: Drill) -> str:
    """An SVG."""
    marks = {
        "injected": 0.0,
        "alert": found.alert,
        "delivered": found.delivered,
        "verdict": found.verdict,
        "removed": found.removed,
    }
    seen = {name: at for name, at in marks.items() if at is not None}
    axis = PictureAxis(max([*seen.values(), *(at for at, _ in (*found.course, *found.signal)), 1.0]))
    lines = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(fault.title)}</text>',
        *_panel(axis, TOP, f"signal: {fault.signal or 'none'}", found.signal),
        *_panel(axis, TOP + APART, f"evidence: {fault.evidence or 'none'}", found.course),
        *_marks(axis, seen),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _panel(axis: PictureAxis, top: float, name: str, course: Course) -> Iterator[str]:
    bottom = top + TALL
    shown = [(at, value) for at, value in course if at >= -BEFORE_SECONDS and math.isfinite(value)]
    most = max([value for _, value in shown] + [1e-9])
    points = " ".join(f"{axis.x(at):.1f},{bottom - TALL * max(0.0, value) / most:.1f}" for at, value in shown)
    yield f'<line x1="{LEFT}" y1="{bottom}" x2="{RIGHT}" y2="{bottom}" stroke="#888"/>'
    yield f'<text x="4" y="{top + 8}">{most:.3g}</text><text x="4" y="{bottom}">0</text>'
    yield f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>'
    yield f'<text x="{LEFT}" y="{bottom + 14}" fill="#444">{escape(_short(name))}</text>'


def _marks(axis: PictureAxis, seen: dict[str, float]) -> Iterator[str]:
    bottom = TOP + APART + TALL
    for row, (name, at) in enumerate(seen.items()):
        x = axis.x(at)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#c33" stroke-dasharray="3"/>'
        anchor = "end" if x > RIGHT - 120 else "start"
        shift = -3 if anchor == "end" else 3
        yield f'<text x="{x + shift:.1f}" y="{TOP + 12 * row + 10}" text-anchor="{anchor}">{name} {at:.1f} s</text>'
    yield f'<text x="{LEFT}" y="{HEIGHT - 8}">seconds after the injection</text>'


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
