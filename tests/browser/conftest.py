"""A headless Chromium and a pretended house (see pretend.py) for the console's page to show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bascule.console import Browser, BrowserPage

sys.path.insert(0, str(Path(__file__).parent))
import pretend

if TYPE_CHECKING:
    from pretend import Pretended

LIVE = "document.querySelector('#live')?.dataset.live === 'yes'"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pretended]:
    """Shared by the tests of a module: they leave it as they found it."""
    with pretend.standing(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[Pretended]:
    """A house of the test's own, to break."""
    with pretend.standing(tmp_path) as house:
        yield house


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., BrowserPage]]:
    """Opens a page at an address and waits until it is live."""
    opened: list[BrowserPage] = []

    def visit(url: str, width: int = 1440, height: int = 900, dark: bool = False) -> BrowserPage:
        page = browser.page(width, height, dark=dark)
        opened.append(page)
        page.open(url)
        page.wait(LIVE)
        return page

    visit.opened = opened  # type: ignore[attr-defined]
    yield visit
    for page in opened:
        page.close()
