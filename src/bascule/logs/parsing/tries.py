"""The servers that a balancer tried for a request: nginx lists an address, a status and a time for each."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.conventions import CLIENT_GAVE_UP, CLIENT_LEFT, OTHER, UNKNOWN
from bascule.logs.parsing.columns import Rows
from bascule.logs.parsing.values import BLANKS, read_number
from bascule.logs.parsing.versions import tries_in


@dataclass(frozen=True)
class Try:
    """One server that was tried for the request in `row`. `seconds` is None where the balancer does not say."""

    row: int
    server: str
    status: str
    seconds: float | None


def tries_of(rows: Rows) -> list[Try]:
    """Every try of every row. Where only one was made and nothing is said of it, it is as the answer was."""
    servers, statuses, times = (_texts(rows, f"upstream_{name}") for name in ("addr", "status", "response_time"))
    answers, seconds = _figures(rows, "status"), _figures(rows, "response_time")
    found: list[Try] = []
    for row, listed in enumerate(servers):
        if listed is None:
            continue
        tried = tries_in(listed)
        status = _for_each(statuses[row], answers[row], len(tried))
        taken = _for_each(times[row], seconds[row], len(tried))
        answer = _status(answers[row] or "")
        if answer == CLIENT_GAVE_UP:
            status = [*status[:-1], CLIENT_GAVE_UP]  # whatever the balancer says of the try that was given up
        own = [Try(row, *one) for one in zip(tried, map(_status, status), map(_seconds, taken), strict=True)]
        found += own[:-1] if answer == CLIENT_LEFT else own  # the last try ended with its client, who left early
    return found


def _texts(rows: Rows, name: str) -> list[str | None]:
    column = rows.columns.get(name)
    return [None] * len(rows) if column is None else column.to_arrow().to_pylist()


def _figures(rows: Rows, name: str) -> list[str | None]:
    return [None if text is None else str(text) for text in _texts(rows, name)]


def _for_each(listed: str | None, answer: str | None, number: int) -> list[str]:
    """What is said of each of so many tries."""
    if listed is None:
        return [answer or ""] if number == 1 else [""] * number
    said = tries_in(listed)
    return said if len(said) == number else [""] * number


def _status(text: str) -> str:
    number, _ = read_number(text, "int")
    return UNKNOWN if text in BLANKS else f"{number:.0f}" if number and 100 <= number <= 599 else OTHER


def _seconds(text: str) -> float | None:
    return read_number(text, "s")[0]
