"""Pictures of the console, where Chromium is on the machine."""

from __future__ import annotations

from pathlib import Path

from bascule.console.browser import Browser
from bascule.errors import ProgramMissing
from bascule.processes import programs

__all__ = ["available", "take"]

LIVE = "!document.body.dataset.stream || document.querySelector('#live').dataset.live === 'yes'"
DRAWN = "!!(!window.uPlot || document.querySelector('.traffic canvas, .traffic p.empty'))"


def available() -> bool:
    """Whether there is a Chromium to take pictures with."""
    try:
        programs.find("chromium")
    except ProgramMissing:
        return False
    return True


def take(url: str, out: Path, width: int = 1440, height: int = 900, *, dark: bool = False, whole: bool = True) -> Path:
    """Write a PNG of any page of the console once it is live and its charts are drawn.

    The page's stream never ends, so that waiting for silence on the network would never end either.
    Raises ProgramMissing without Chromium, ProcessFailed when the page does not become live.
    """
    with Browser() as browser:
        page = browser.page(width, height, dark=dark)
        page.open(url)
        page.wait(f"({LIVE}) && {DRAWN}")
        # Charts are drawn in an animation frame.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        return page.screenshot(out, whole=whole)
