"""The reports role, the supervisor, and what every role answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bascule.api.models.fields import Answer, Line, Request, Text, UnixTime, Who


class Refusal(Answer):
    """Why a request was refused, and what to do about it."""

    error: str
    fix: Text = ""


class Health(Answer):
    """`status` is `ok`, or `not ready` with the reasons."""

    status: str
    problems: list[str] = Field(default_factory=list)


class ReportAnswer(Answer):
    """A report in the archive; `files` by format; `said`: its outcome, with how much of the window is known."""

    id: str
    title: str
    start: UnixTime
    end: UnixTime
    made: UnixTime
    outcome: str
    language: str
    subject: str
    files: dict[str, str]
    said: str = ""


class SendAgain(Request):
    """Receivers of the spec, or mail addresses, that a report is sent to once more."""

    to: list[Annotated[Line, Field(min_length=1)]] = Field(min_length=1, max_length=50)
    who: Who


class DeliveryAnswer(Answer):
    """What went to whom, and its result."""

    key: str
    receiver: str
    channel: Text = ""
    subject: str
    result: str
    attempts: int
    detail: Text = ""
    started: UnixTime
    ended: UnixTime


class ProcessAnswer(Answer):
    """A process that `bascule up` keeps running; `since` is RFC 3339."""

    process: str
    state: str
    pid: int | None
    since: str
    restarts: int
    address: str
