"""One source's way from lines to a batch: parsed, given their version, pseudonymised, counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bascule.conventions import PATIENCE_SECONDS
from bascule.errors import UsageError
from bascule.logs.parsing.callers import Callers
from bascule.logs.parsing.columns import Chunk, Rows
from bascule.logs.parsing.formats import Format, format_named
from bascule.logs.parsing.parse import TRACE, Parser
from bascule.logs.parsing.tally import LogTally, RowCounter
from bascule.logs.parsing.versions import VersionFinder
from bascule.spec import Spec
from bascule.spec.model import LogSource

_OF_UPSTREAM = ("upstream_addr", "upstream_status", "upstream_response_time")
COUNTED = frozenset({"service", "version", "endpoint", "algorithm", "partner", *_OF_UPSTREAM})  # what metrics need
_NOBODY = Callers()
_KEPT = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \n")
_PLAIN = bytes(byte if byte in _KEPT else ord("?") for byte in range(256))
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """A chunk with its rows."""

    chunk: Chunk
    rows: list[Rows]

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows)


@dataclass(frozen=True)
class Batch:
    """What is committed at once, and what it adds to the metrics: as a rule consecutive pieces of one stream."""

    pieces: Sequence[Piece]
    tally: LogTally

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Several batches as one."""
        if len(batches) == 1:
            return batches[0]
        tally = LogTally()
        for batch in batches:
            tally.add(batch.tally)
        return cls([piece for batch in batches for piece in batch.pieces], tally)

    @property
    def stream(self) -> str:
        return self.pieces[0].chunk.stream

    @property
    def start(self) -> int:
        return self.pieces[0].chunk.start

    @property
    def end(self) -> int:
        return self.pieces[-1].chunk.end

    def __len__(self) -> int:
        return sum(len(piece) for piece in self.pieces)


@dataclass
class Intake:
    """Makes batches of a source's chunks."""

    name: str
    parser: Parser
    versions: VersionFinder
    callers: Callers = _NOBODY
    patience: float = PATIENCE_SECONDS  # seconds after which a client that leaves counts as an error
    counting: RowCounter = field(init=False)
    change: Callable[[Rows], Rows] = lambda rows: rows  # what is done to rows before anything keeps them
    problem: Callable[[str], None] = lambda reason: None

    def __post_init__(self) -> None:
        requests = frozenset(form.name for form in self.parser.formats if form.is_of_requests)
        self.counting = RowCounter(self.name, self.versions, requests, self.patience)

    def zero(self) -> LogTally:
        return self.counting.start([*(form.name for form in self.parser.formats), TRACE])

    def piece(self, chunk: Chunk) -> Piece:
        """Every line in a row, also one that breaks the reader: it is kept as plain text, and counted. A defect of ours
        must neither end the reading nor have the same lines read for ever."""
        try:
            return Piece(chunk, self._rows(chunk.data, chunk.begins))
        except Exception:
            log.exception("%s: a line breaks the reader; it is kept as plain text", self.name)
            self.problem("unreadable")
            plain = replace(chunk, data=b"".join(self._plain(_lines_of(chunk.data))))
            return Piece(plain, self._rows(plain.data, plain.begins))

    def _rows(self, data: bytes, begins: Collection[int] = ()) -> list[Rows]:
        parsed = self.parser.parse(data, begins)
        return [self.change(self.callers.mark(self.versions.add(found))) for found in parsed]

    def _plain(self, lines: list[bytes]) -> list[bytes]:
        """The same lines; one that breaks the reader without all that a format could stumble on, in the same length."""
        try:
            self._rows(b"".join(lines))
            return lines
        except Exception:  # noqa: BLE001 - whatever it is, the half without it has none
            middle = len(lines) // 2
            return [*self._plain(lines[:middle]), *self._plain(lines[middle:])] if middle else [_plain(lines[0])]

    def batch(self, pieces: Sequence[Piece]) -> Batch:
        for piece in pieces:
            self.counting.learn_zone(piece.rows, piece.chunk.written)
        tally = self.counting.tally(rows for piece in pieces for rows in piece.rows)
        return Batch(pieces, tally)

    def batches(self, chunks: Iterator[Chunk], rows: int) -> Iterator[Batch]:
        """Consecutive chunks of a stream together, until a batch has `rows` rows."""
        pieces: list[Piece] = []
        for chunk in chunks:
            if pieces and (chunk.stream != pieces[-1].chunk.stream or chunk.start != pieces[-1].chunk.end):
                yield self.batch(pieces)
                pieces = []
            pieces.append(self.piece(chunk))
            if sum(map(len, pieces)) >= rows:
                yield self.batch(pieces)
                pieces = []
        if pieces:
            yield self.batch(pieces)


def _lines_of(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


def _plain(line: bytes) -> bytes:
    return line.translate(_PLAIN)


def intakes(spec: Spec, wanted: Callable[[str], bool] = lambda name: True) -> list[tuple[LogSource, Intake]]:
    """An intake for every source of the spec, under its name."""
    return [(source, intake(spec, source, name, wanted)) for name, source in spec.logs.named.items()]


def intake(spec: Spec, source: LogSource, name: str, wanted: Callable[[str], bool] = lambda name: True) -> Intake:
    callers = Callers.of(spec)
    parser = Parser(formats_of(spec, source), lambda column: wanted(column) or callers.wants(column))
    return Intake(name, parser, VersionFinder.of(spec, source), callers, spec.patience)


def formats_of(spec: Spec, source: LogSource) -> tuple[Format, ...]:
    if not source.formats:
        raise UsageError(
            f"logs: the source {source.name or source.usual_name} declares no formats",
            "add formats: [api_call, match_result] or others to it",
        )
    return tuple(format_named(name, spec.logs.formats) for name in source.formats)
