"""Regular expressions of users, held against text from outside in bounded time.

Prometheus and Alertmanager match in time linear in the text (RE2). A backtracking engine may need longer than anyone
waits for the same expression: here it is given a limit instead.
"""

from __future__ import annotations

from bascule.errors import QueryRejected

__all__ = ["fits"]

SECONDS = 0.05  # of the processor
_MOST = 10_000
_costly: set[str] = set()  # that took too long once: a thousand of them must not take so long for each text


def fits(pattern: str, text: str) -> bool:
    """Whether the pattern covers the whole text. Raises QueryRejected for one that is not valid, or takes too long."""
    import regex  # here: most commands need none

    try:
        if pattern in _costly:
            raise TimeoutError
        return regex.fullmatch(pattern, text, regex.ASCII, timeout=SECONDS) is not None
    except TimeoutError as error:
        _remember(pattern)
        what = f"the pattern {pattern[:100]!r} takes too long on a text of {len(text)} characters"
        raise QueryRejected(what, "write it without a repetition of a repetition") from error
    except (regex.error, RecursionError, OverflowError) as error:
        what = f"{pattern[:100]!r} is not a pattern: {error}"
        raise QueryRejected(what, "write it as Prometheus takes it") from error


def _remember(pattern: str) -> None:
    if len(_costly) >= _MOST:
        _costly.clear()
    _costly.add(pattern)
