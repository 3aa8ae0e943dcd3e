"""A picture of a drill: the evidence, and when the alert came, was delivered and the fault was removed, on one axis."""

from __future__ import annotations

from html import escape

from bascule.scenarios.drills.fault import Declared
from bascule.scenarios.drills.once import BEFORE_SECONDS, Drill

NAMESPACE = "http://www.w3.org/2000/svg"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 260, 50, 40, 220


def picture(fault: Declared, found: Drill) -> str:
    """An SVG."""
    marks = {
        "injected": 0.0,
        "alert": found.alert,
        "delivered": found.delivered,
        "verdict": found.verdict,
        "removed": found.removed,
    }
    last = max([at for at in marks.values() if at is not None] + [at for at, _ in found.course] + [1.0])
    top = max([value for _, value in found.course] + [1e-9])

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * (at + BEFORE_SECONDS) / (last + BEFORE_SECONDS)

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * max(0.0, value) / top

    line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in found.course if at >= -BEFORE_SECONDS)
    lines = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(fault.title)}</text>',
        f'<line x1="{LEFT}" y1="{BOTTOM}" x2="{WIDTH - 20}" y2="{BOTTOM}" stroke="#888"/>',
        f'<text x="4" y="{TOP + 4}">{top:.3g}</text><text x="4" y="{BOTTOM}">0</text>',
        f'<polyline points="{line}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>',
    ]
    for row, (name, at) in enumerate((name, at) for name, at in marks.items() if at is not None):
        lines.append(
            f'<line x1="{x(at):.1f}" y1="{TOP}" x2="{x(at):.1f}" y2="{BOTTOM}" stroke="#c33" stroke-dasharray="3"/>'
        )
        lines.append(f'<text x="{x(at) + 3:.1f}" y="{TOP + 12 * row + 10}">{name} {at:.1f} s</text>')
    lines.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">evidence: {escape(fault.evidence or "none")}</text></svg>')
    return "\n".join(lines) + "\n"
