"""Runbooks: what an alert means, where to look, what to do. Markdown that ships with the package, shown as pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from operator import attrgetter
from pathlib import Path

from markdown_it import MarkdownIt

# HTML in a page is shown as text, and only http, https and mailto links become links.
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
ALERT = re.compile(r"\b[A-Z][a-z0-9]*(?:[A-Z][a-z0-9]*)+\b")
BODY = re.compile(r"^\*\*What \w+ means?\.\*\*\s*", re.MULTILINE)


@dataclass(frozen=True)
class Runbook:
    """One page; `page` is the last part of its address."""

    page: str
    text: str

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0].lstrip("# ")

    @property
    def alerts(self) -> tuple[str, ...]:
        """The alerts it is for: those that it names before it says what they mean."""
        return tuple(dict.fromkeys(ALERT.findall(BODY.split(self.text)[0])))

    @property
    def lead(self) -> str:
        """Its first sentence about what they mean."""
        said = BODY.split(self.text)[-1].partition("\n\n")[0]
        return re.split(r"(?<=\.) ", " ".join(said.split()).replace("`", ""))[0]

    @cached_property
    def html(self) -> str:
        return str(MARKDOWN.render(self.text))


class Runbooks:
    """All pages by name, and by the alert they are for."""

    def __init__(self, folder: Traversable | None = None) -> None:
        self.pages: Mapping[str, Runbook] = {
            book.page: book for book in sorted(_read(folder or home()), key=attrgetter("title"))
        }
        self._by_alert = {alert: book for book in self.pages.values() for alert in book.alerts}

    def page_for(self, alert: str, prefix: str = "") -> str:
        """The name of an alert's page, empty when there is none; `prefix` is what the spec puts before every name."""
        found = self._by_alert.get(alert.removeprefix(prefix))
        return found.page if found else ""


def home() -> Traversable:
    """Inside an installed package; in a checkout, the repository's own folder."""
    packaged = resources.files("bascule.console").joinpath("runbooks")
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "docs" / "runbooks"


def _read(folder: Traversable) -> Iterator[Runbook]:
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.name.endswith(".md"):
            yield Runbook(file.name.removesuffix(".md"), file.read_text("utf-8"))
