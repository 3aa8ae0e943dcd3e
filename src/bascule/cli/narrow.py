"""A table that stays readable on a narrow terminal: where a word would be broken, each row is told in lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

LONGEST_WORD = 24  # cells of a word that a column need not hold whole
BESIDE = 3  # cells between two columns, and one at the end
# A figure and its unit are one word: `57.0 ms`, `≤ 0.100 %`, `12:18:24 UTC`.
_BREAK = re.compile(r"(?<![≤≥]) +(?!(?<=\d )[^\s\d(]{1,5}(?:[\s,;)]|$))")


class TableRows:
    """Columns and rows under a title; `right`: the columns whose cells are numbers."""

    def __init__(
        self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = ()
    ) -> None:
        self.title = title
        self.columns = columns
        self.rows = list(rows)
        self.right = frozenset(right)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = self._widths(options.max_width)
        yield self._table(widths) if widths else self._lines(options.max_width)

    def _widths(self, available: int) -> list[int]:
        """Of each column, at least its longest word; empty where that does not fit."""
        columns = [[column, *(row[place] for row in self.rows)] for place, column in enumerate(self.columns)]
        widths = [min(LONGEST_WORD, max(map(_longest, column))) for column in columns]
        whole = [max(map(cell_len, column)) for column in columns]
        left = available - sum(widths) - BESIDE * len(widths) - 1
        while left > 0 and (short := [place for place, width in enumerate(widths) if width < whole[place]]):
            for place in short[:left]:
                widths[place] += 1
            left -= len(short[:left])
        return widths if left >= 0 else []

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table(title=Text(self.title), title_justify="left", box=box.SIMPLE_HEAD)
        for column, width in zip(self.columns, widths, strict=True):
            justify: Literal["left", "right"] = "right" if column in self.right else "left"
            table.add_column(column, overflow="fold", justify=justify, width=width)
        for row in self.rows:
            table.add_row(*(Text(_folded(text, width)) for text, width in zip(row, widths, strict=True)))
        return table

    def _lines(self, width: int) -> Text:
        """The first cell is the heading of its row."""
        parts = [self.title]
        for first, *others in self.rows:
            parts.append(f"\n{first}")
            named = zip(self.columns[1:], others, strict=True)
            parts += [f"  {column}: {text}" for column, text in named if text]
        return Text("\n".join(_folded(part, width) for part in parts) + "\n")


def _longest(text: str) -> int:
    return max((cell_len(word) for word in _BREAK.split(text)), default=0)


def _folded(text: str, width: int) -> str:
    """In lines of at most `width` cells, where its words allow that."""
    return "\n".join(line for part in text.split("\n") for line in _lines_of(part, width))


def _lines_of(text: str, width: int) -> Iterator[str]:
    """Each as far in as the first."""
    inside = text.lstrip(" ")
    margin = text[: len(text) - len(inside)]
    first, *others = _BREAK.split(inside)
    line = margin + first
    for word in others:
        if cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = margin + word
        else:
            line = f"{line} {word}"
    yield line
