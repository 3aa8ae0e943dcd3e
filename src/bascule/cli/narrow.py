"""A table that stays readable on a narrow terminal: where a word would be broken, each row is told in lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

LONGEST_WORD = 24  # cells of a word that a column need not hold whole
BESIDE = 3  # cells between two columns, and one at the end


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
        yield self._table(widths) if widths else self._lines()

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
            table.add_row(*map(Text, row))
        return table

    def _lines(self) -> Text:
        """The first cell is the heading of its row."""
        parts = [self.title]
        for first, *others in self.rows:
            parts.append(f"\n{first}")
            named = zip(self.columns[1:], others, strict=True)
            parts += [f"  {column}: {text}" for column, text in named if text]
        return Text("\n".join(parts) + "\n")


def _longest(text: str) -> int:
    return max((cell_len(word) for word in text.split()), default=0)
