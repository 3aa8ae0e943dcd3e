"""What every command shares: the application, printing, and stopping cleanly."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bascule import figures, times
from bascule.cli.narrow import TableRows
from bascule.documents import text_of
from bascule.errors import UsageError
from bascule.units import number_text
from bascule.visible import visible

if TYPE_CHECKING:
    from pydantic import BaseModel

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Output(Console):
    """Everything that is printed passes here, and no control character of a text passes on to the terminal."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Before it is measured, so that tables stay straight."""
        return super().render_str(visible(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class StandardOutput(Output):
    """Text as it is: `shop:x:rate5m` holds no emoji. A closed pipe changes no exit code."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


PIPED_WIDTH = 200  # a file or a pipe has no width of its own, and a figure cut short is useless
out = StandardOutput(emoji=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH)
err = Output(emoji=False, stderr=True)

LOOK_SECONDS = 0.5


def say(text: str) -> None:
    """A line of plain text; long paths are not broken."""
    out.print(_plain(text), markup=False, highlight=False, soft_wrap=True)


def _plain(text: str) -> str:
    """With spaces that can be typed and searched for; pages use narrower ones before a unit."""
    return text.replace(figures.THIN, " ")


def complain(text: str) -> None:
    """What went wrong, on standard error."""
    err.print(text, style="red", markup=False, highlight=False, soft_wrap=True)


def write_file(path: Path, content: str | bytes, fix: str) -> None:
    """Write a file that the user named. Raises UsageError when it cannot be written."""
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", fix) from error


def read_file(path: Path) -> str:
    """A file that the user named. Raises UsageError when it cannot be read."""
    try:
        return text_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "name a text file that you may read") from error


def print_json(value: Any) -> None:
    say(json.dumps(value, default=_as_json, indent=2))


def print_rows(title: str, rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Rows of equal keys as a table, or as JSON; times are `datetime`s, which each writes in its own way."""
    if as_json:
        print_json(rows)
        return
    columns = list(rows[0]) if rows else []
    out.print(
        TableRows(title, columns, ([_cell(value) for value in row.values()] for row in rows)) if rows else f"no {title}"
    )


def print_answers(
    title: str, answers: Sequence[BaseModel], row: Callable[[Any], dict[str, Any]], as_json: bool
) -> None:
    """A role's answers as a table, a `row` for each, or whole as JSON."""
    print_rows(title, [each.model_dump(mode="json") if as_json else row(each) for each in answers], as_json)


def _as_json(value: Any) -> str:
    return times.rfc3339(value.timestamp()) if isinstance(value, datetime) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return times.dated(value.timestamp())
    return number_text(value) if isinstance(value, float) else _plain(visible(str(value)))


_STOPS = (signal.SIGINT, signal.SIGTERM)


class _Stop(threading.Event):
    """A thread that waits for it looks up twice a second: a signal that reaches another thread does not wake it."""

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(LOOK_SECONDS):
            pass
        return True


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and a terminal that closes set, so that the command can clean up before it ends."""
    stop = _Stop()
    closes = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []  # nohup ignores it
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (*_STOPS, *closes)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
