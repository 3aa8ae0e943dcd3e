"""What is said on standard error while a verdict is waited for: what is undecided, and until when."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Protocol

from rich.live import Live
from rich.text import Text

from bascule import times
from bascule.cli.output import err
from bascule.conventions import State, Verdict

SPARSE_SECONDS = 60.0  # between two lines of a log that say the same


def headline(answer: dict[str, Any]) -> str:
    """Of a verdict: `ROLL BACK`, `NO DATA (silent)`."""
    verdict, cause = Verdict(answer["verdict"]).words.upper(), answer.get("cause")
    return f"{verdict} ({cause})" if cause else verdict


class Progress(Protocol):
    def __call__(self, answer: dict[str, Any], left: float) -> None:
        """Hears the verdict that is waited on, and the seconds that are left."""


def progress() -> AbstractContextManager[Progress]:
    """One line that is kept up to date on a terminal; sparse lines where standard error is a file or a pipe."""
    return OneLine() if err.is_terminal and not err.is_dumb_terminal else nullcontext(SparseLines())


class OneLine:
    """A line that shows the time that is left; it is gone when the wait is over."""

    def __init__(self) -> None:
        self._live = Live(console=err, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def __enter__(self) -> OneLine:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, answer: dict[str, Any], left: float) -> None:
        until = f"{_until(left)}, {times.lasting(left)} left"
        line = Text(f"{headline(answer)}; {until}; {_open(answer)}", no_wrap=True, overflow="ellipsis")
        self._live.update(line, refresh=True)


class SparseLines:
    """A line at once, one when the verdict or the state of a gate changes, and one a minute."""

    def __init__(self) -> None:
        self._said: object = None
        self._at = 0.0

    def __call__(self, answer: dict[str, Any], left: float) -> None:
        now, seen = time.monotonic(), (headline(answer), _gates(answer))
        if seen == self._said and now - self._at < SPARSE_SECONDS:
            return
        self._said, self._at = seen, now
        line = f"{headline(answer)}; {_until(left)}; {_open(answer)}"
        err.print(line, markup=False, highlight=False, soft_wrap=True)


def _until(left: float) -> str:
    return f"waiting until {times.clock(time.time() + left)}"


def _open(answer: dict[str, Any]) -> str:
    """The gates that do not pass yet; the first reason where it is something else that holds."""
    gates = _gates(answer)
    named = {
        "undecided": [name for name, state in gates if state == State.NO_DATA],
        "failing": [name for name, state in gates if state == State.BAD],
    }
    told = [f"{word}: {', '.join(names)}" for word, names in named.items() if names]
    return "; ".join(told or answer["reasons"][:1])


def _gates(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["gate"], each["state"]) for each in answer.get("gates", ())]
