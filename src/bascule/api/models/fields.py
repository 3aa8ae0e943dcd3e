"""The kinds of fields that requests and answers are made of; everything from outside has bounds."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
)

from bascule import times
from bascule.conventions import State, Verdict
from bascule.states import Cause
from bascule.visible import is_hidden

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=3653)  # how far from now a planned time may be: ten years
LARGEST_ID = 2**53  # beyond it, JavaScript and JSON lose digits

log = logging.getLogger(__name__)


class Request(BaseModel):
    """What is asked for; an unknown field is refused, since it would be silently not done."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Answer(BaseModel):
    """What a role answers; fields that a newer role adds are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)


M = TypeVar("M", bound=BaseModel)


def readable(kind: type[M], rows: Iterable[Any], where: str) -> list[M]:
    """The rows that can be read; one that cannot is logged and left out, so that it does not hide the others."""
    found: list[M] = []
    for row in rows:
        try:
            found.append(kind.model_validate(row))
        except ValidationError as error:
            log.warning("%s: a row is skipped: %s", where, problems_of(error))
    return found


def problems_of(error: ValidationError) -> str:
    """What is wrong with which field, on one line; the values themselves may be hostile and are not repeated."""
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors()[:5])


# ---------------------------------------------------------------- times


def _moment(value: Any) -> Any:
    """A time from Unix seconds or RFC 3339. Raises ValueError for what is none, or beyond what a calendar holds."""
    if isinstance(value, bool):
        raise ValueError("must be a time")
    if isinstance(value, int | float):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise ValueError("must be a time in Unix seconds") from error
    if isinstance(value, str):
        return times.parse(value)
    return value


def _sane(moment: datetime) -> datetime:
    if not EARLIEST <= moment <= datetime.now(UTC) + AHEAD:
        raise ValueError("must be a time from the year 2000 to ten years from now, in Unix seconds")
    return moment


def _rfc3339(moment: datetime) -> str:
    return times.rfc3339(moment.timestamp(), "milliseconds")


Moment = Annotated[datetime, BeforeValidator(_moment)]
UnixTime = Annotated[Moment, PlainSerializer(datetime.timestamp, return_type=float)]
TextTime = Annotated[Moment, PlainSerializer(_rfc3339, return_type=str)]
PlannedTime = Annotated[UnixTime, AfterValidator(_sane)]

# ---------------------------------------------------------------- texts


def _one_line(text: str) -> str:
    if is_hidden(text) or "\n" in text or "\t" in text:
        raise ValueError("must be one line, without control characters")
    return text


def _prose(text: str) -> str:
    if is_hidden(text):
        raise ValueError("must not contain control characters")
    return text


Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Prose = Annotated[str, Field(max_length=2000), AfterValidator(_prose)]
Who = Annotated[Line, Field(min_length=1, description="Who does it.")]


def _shown(value: Any) -> Any:
    """Text that can be written as UTF-8: half a surrogate pair becomes its number."""
    return "" if value is None else str(value).encode("utf-8", "backslashreplace").decode()


Text = Annotated[str, BeforeValidator(_shown)]

# ---------------------------------------------------------------- states: what nobody knows is no data


def _state(value: Any) -> Any:
    return value if value in [*State] else State.NO_DATA


def _verdict(value: Any) -> Any:
    text = str(value).lower().replace(" ", "_")
    return text if text in [*Verdict] else Verdict.NO_DATA


def _cause(value: Any) -> Any:
    """A newer role may know others."""
    return value if value in [*Cause] else None


KnownCause = Annotated[Cause | None, BeforeValidator(_cause)]
KnownState = Annotated[State, BeforeValidator(_state)]
KnownVerdict = Annotated[Verdict, BeforeValidator(_verdict)]
