"""TableRows on wide and narrow terminals: no word is broken, and no cell is lost."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from bascule.cli.commands import app
from bascule.cli.narrow import TableRows

ROWS = TableRows(
    "comparison",
    ("signal", "segment", "v1", "difference (interval)", "state"),
    [
        ("response_time", "api_partners", "48.6 ms", "+1.2 ms (+0.4 to +2.0 ms)", "ok"),
        ("errors", "freemium", "0.21 %", "", "no data"),
    ],
)


def shown(width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width, emoji=False).print(ROWS)
    return text.getvalue()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_every_word_is_whole_at_any_width(width: int) -> None:
    words = shown(width).split()
    for text in ("response_time", "api_partners", "48.6", "freemium", "0.21"):
        assert text in words


@pytest.mark.parametrize("width", range(20, 100, 4))
def test_no_figure_is_parted_from_its_unit(width: int) -> None:
    for figure in ("48.6 ms", "+1.2 ms", "+2.0 ms)", "0.21 %"):
        assert figure in shown(width)


def test_a_wide_terminal_has_a_table_and_a_narrow_one_a_paragraph_for_each_row() -> None:
    assert "difference (interval)" in shown(120).splitlines()[2]
    assert "response_time\n  segment: api_partners\n  v1: 48.6 ms" in shown(40)
    assert "errors\n  segment: freemium\n  v1: 0.21 %\n  state: no data" in shown(40)  # what is empty is left out


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


@pytest.mark.parametrize("path", list(commands(get_command(app))), ids=" ".join)
def test_help_fits_in_80_columns_and_speaks_of_no_types_of_python(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "-h"], env={"COLUMNS": "80"}).output
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"--\S+ .*(list\[|range>)", shown)


def test_help_shows_no_value_for_an_option_that_takes_none() -> None:
    """`--json <bool>` reads as if `--json true` were meant."""
    shown = CliRunner().invoke(app, ["incidents", "list", "-h"]).output
    (line,) = (line for line in shown.splitlines() if "--json" in line)
    assert "bool" not in line
