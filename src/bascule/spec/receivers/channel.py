"""What every way to reach people is: it knows its own secrets, its request and its entry for Alertmanager."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from bascule.conventions import Severity
from bascule.spec.part import Part
from bascule.visible import one_line, visible

ReadSecret = Callable[[Path], str]
LONGEST_LINE = 1000  # characters: PagerDuty refuses a summary of more than 1,024


def notice_line(text: str) -> str:
    """One line of a notice: what others wrote looks like no line of ours, and no receiver refuses it for its length."""
    line = one_line(text)
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"


@dataclass(frozen=True)
class NoticeText:
    """What is told, without any control character, under a subject of one line. `key` is the same for every attempt at
    the same notice, so that a receiver can tell a repeat.

    `thread`: what it belongs to (a situation, a report), told to a channel in order; empty where it belongs to nothing.
    """

    key: str
    subject: str
    text: str
    severity: str = Severity.INFO
    resolved: bool = False
    acknowledged: bool = False
    thread: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", notice_line(self.subject))
        object.__setattr__(self, "text", visible(self.text))


@dataclass(frozen=True)
class Post:
    """A request that carries one notice."""

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlertTexts:
    """Alertmanager's own templates of a notice's title and text."""

    title: str
    text: str


class Channel(Part):
    """One file of this folder holds one kind; `key` names it in the spec, and people read `title`."""

    key: ClassVar[str]
    title: ClassVar[str]

    def alertmanager(self, texts: AlertTexts) -> Mapping[str, list[dict[str, Any]]]:
        """Its part of an Alertmanager receiver, for beginnings alone; empty where Alertmanager has no such kind."""
        return {}

    @property
    def is_known_to_alertmanager(self) -> bool:
        return bool(self.alertmanager(AlertTexts("", "")))


class HttpChannel(Channel):
    """A kind whose notices are one POST of JSON each."""

    @property
    def shown(self) -> str:
        """What replaces the address in messages: an address can be a secret."""
        return self.title

    def post(self, notice: NoticeText, secret: ReadSecret) -> Post:
        """The request that carries the notice."""
        raise NotImplementedError
