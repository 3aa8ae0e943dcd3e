"""What a source would make of a log file: read from a sample of its lines, nothing is stored."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bascule import times
from bascule.conventions import UNKNOWN
from bascule.errors import UsageError
from bascule.logformat import BUILT_IN, KIND_OF, TIME
from bascule.logs.parsing.columnar import Text
from bascule.logs.parsing.columns import Rows
from bascule.logs.parsing.formats import Format, format_named
from bascule.logs.parsing.intake import intake
from bascule.logs.parsing.parse import UNPARSED, Parser
from bascule.logs.parsing.readings import Reading
from bascule.logs.parsing.values import Value
from bascule.logs.reading.compression import CORRUPT, is_compressed_name, unpacked
from bascule.spec import Spec
from bascule.spec.model import LogFormat, LogSource

SAMPLE_LINES = 1000  # half from the file's beginning, half from its end
SAMPLE_BYTES = 2 << 20  # of each half
SHOWN = 3  # examples of each thing that was not understood
SHOWN_WIDTH = 300
IMPLAUSIBLE_SECONDS = 60.0  # a median above this is told: milliseconds, as a rule
_TELLING = ("version", "service", "upstream_addr", "endpoint")
# Of formats that read the same lines the more particular one is proposed; nginx_json reads what json reads.
_GENERAL = ("nginx_json", "nginx_combined", "logfmt", "python")
CANDIDATES = (*(name for name in BUILT_IN if name not in _GENERAL), *_GENERAL[1:])


@dataclass(frozen=True)
class TriedField:
    """A field that lines of one format have: in how many, its unit ("" where it has none) and an example.

    `median` is that of a number.
    """

    name: str
    lines: int
    unit: str
    example: Value
    median: float | None = None


@dataclass
class NotUnderstood:
    """What could not be read: a field's name (`line`: the whole line), why, in how many lines, and some of them."""

    name: str
    reason: str
    lines: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.lines += 1
        if len(self.examples) < SHOWN:
            self.examples.append(text[:SHOWN_WIDTH])


@dataclass(frozen=True)
class Trial:
    """What was found in a sample of a file's lines.

    `formats`: those proposed (or given), in their order, with the lines that each reads; `versions`: version and how
    it was known -> rows. `ignored`: names without a column, which stay searchable as words of `extra`.
    """

    file: str
    lines: int
    formats: dict[str, int]
    fields: dict[str, list[TriedField]]
    versions: dict[tuple[str, str], int]
    not_understood: list[NotUnderstood]
    ignored: dict[str, int]
    hints: list[str]
    source: dict[str, Any]
    values: dict[str, set[str]] = field(default_factory=dict)  # of the fields that may name a version


def sampled_values(trial: Trial, name: str) -> set[str]:
    """What the lines have in `version`, `service`, `upstream_addr` or `endpoint`."""
    return trial.values.get(name, set())


def attempt(spec: Spec | None, file: Path, formats: Sequence[str] = ()) -> Trial:
    """Read a sample of the file's lines by these formats, else by those that read most of it.

    UsageError where the file is missing, empty, or a format unknown.
    """
    data = _sample(file)
    text = Text(data)
    lines = [text.line(number) for number in range(len(text))]
    declared = spec.logs.formats if spec else {}
    chosen = [format_named(name, declared) for name in formats] or _fitting(lines, declared)
    parser = Parser(tuple(chosen))
    rows, readings = parser.parse(data), parser.read_many(lines)
    read = Counter(name for name, _ in readings if name != UNPARSED)
    strange = sorted(place for part in rows if part.format == UNPARSED for place in part.lines.tolist())
    source = {"files": str(file.absolute()), "formats": [form.name for form in chosen]}
    finder = intake(spec, LogSource.model_validate(source), "trial").versions if spec else None
    versions, unknown = _versions(spec, [finder.add(part) for part in rows]) if spec and finder else ({}, [])
    return Trial(
        str(file),
        len(lines),
        {form.name: read[form.name] for form in chosen} | ({UNPARSED: len(strange)} if strange else {}),
        {form.name: _fields(readings, form.name) for form in chosen if read[form.name]},
        versions,
        _not_understood(lines, readings, {*strange}),
        _ignored(readings),
        [*unknown, *_hints(readings, bool(spec))],
        source,
        {name: {str(found.fields[name]) for _, found in readings if name in found.fields} for name in _TELLING},
    )


def _sample(file: Path) -> bytes:
    """The first and the last lines of the file, whole."""
    try:
        with file.open("rb") as raw:
            opened = unpacked(raw, file)
            size = 0 if is_compressed_name(file) else file.stat().st_size
            first, last = _ends(opened, size)
    except (OSError, *CORRUPT) as error:
        raise UsageError(f"{file} cannot be read: {error}", "name a log file") from error
    half = SAMPLE_LINES // 2
    found = [*first.splitlines(keepends=True)[:half], *last.splitlines(keepends=True)[-half:]]
    if not found:
        raise UsageError(f"{file} is empty", "name a file with lines")
    return b"".join(found).rstrip(b"\n") + b"\n"


def _ends(file: BinaryIO, size: int) -> tuple[bytes, bytes]:
    """What is at both ends; `size` 0: unknown, then only the beginning is looked at."""
    first = file.read(SAMPLE_BYTES)
    if len(first) == SAMPLE_BYTES:
        first = first[: first.rfind(b"\n") + 1] or first
    rest = max(len(first), size - SAMPLE_BYTES)
    if size <= len(first):
        lines = first.splitlines(keepends=True)
        return b"".join(lines[: SAMPLE_LINES // 2]), b"".join(lines[SAMPLE_LINES // 2 :])
    file.seek(rest)
    last = file.read(SAMPLE_BYTES)
    return first, last if rest == len(first) else last[last.find(b"\n") + 1 :]


# ---------------------------------------------------------------- which formats


def _fitting(lines: Sequence[str], declared: dict[str, LogFormat]) -> list[Format]:
    """Formats that read something, the one that reads most of what is left first; `python` last, if it is needed."""
    left, chosen = list(lines), list[Format]()
    candidates = [format_named(name, declared) for name in (*declared, *CANDIDATES)]
    while left and candidates:
        scores = [(_understood(form, left), -place, form) for place, form in enumerate(candidates)]
        best = max(scores, key=lambda score: score[:2])
        if not best[0]:
            break
        chosen.append(best[2])
        candidates = [form for form in candidates if form is not best[2]]
        left = [line for line, reading in zip(left, best[2].read_many(left), strict=True) if reading is None]
    return sorted(chosen, key=lambda form: [*declared, *CANDIDATES].index(form.name))


def _understood(form: Format, lines: Sequence[str]) -> float:
    """How many lines it reads; one with something misread counts half, and one that is only a message a quarter."""
    return sum(_weight(form, reading) for reading in form.read_many(lines) if reading is not None)


def _weight(form: Format, reading: Reading) -> float:
    if not reading.fields.keys() - {"message", "extra", TIME}:
        return 0.0
    return (0.5 if reading.misread else 1.0) * (0.25 if form.continued else 1.0)


# ---------------------------------------------------------------- what was found


def _fields(readings: Sequence[tuple[str, Reading]], name: str) -> list[TriedField]:
    values: dict[str, list[Value]] = {}
    for format_name, reading in readings:
        if format_name == name:
            for key, value in reading.fields.items():
                if key[0] != "_" and key != "extra":
                    values.setdefault(key, []).append(value)
    return [TriedField(key, len(found), *_described(key, found)) for key, found in sorted(values.items())]


def _described(name: str, values: Sequence[Value]) -> tuple[str, Value, float | None]:
    numbers = [float(value) for value in values if not isinstance(value, str)]
    if name == TIME:
        return "UTC", times.rfc3339(int(values[0]) / 1e6), None
    unit = "seconds" if KIND_OF.get(name) == "s" else ""
    return unit, values[0], statistics.median(numbers) if numbers else None


def _versions(spec: Spec, rows: Sequence[Rows]) -> tuple[dict[tuple[str, str], int], list[str]]:
    """Requests by version and how it was known; what the lines of unknown ones say instead."""
    found: Counter[tuple[str, str]] = Counter()
    said: Counter[tuple[str, str]] = Counter()
    for asked in (part for part in rows if {"status", "endpoint"} & part.columns.keys()):
        versions, ways = (asked.columns[name].to_arrow().to_pylist() for name in ("version", "version_from"))
        found.update(zip(versions, ways, strict=True))
        unknown = np.flatnonzero([version == UNKNOWN for version in versions])
        for name in ("upstream_addr", "service"):
            if name in asked.columns:
                texts = asked.columns[name].select(unknown).to_arrow().to_pylist()
                said.update((name, text) for text in texts if text)
    return dict(found), [_unknown(spec, name, text, number) for (name, text), number in said.most_common(SHOWN)]


def _unknown(spec: Spec, name: str, text: str, number: int) -> str:
    named = "`upstreams` or `targets` of a service" if name == "upstream_addr" else "a service"
    return (
        f"{name} {text!r} ({number} of unknown version) tells neither {' nor '.join(spec.versions.both)}:"
        f" if it is one of them, declare it as {named} with that version"
    )


def _not_understood(
    lines: Sequence[str], readings: Sequence[tuple[str, Reading]], strange: set[int]
) -> list[NotUnderstood]:
    """What was misread; lines of a stack trace fit no format, and are none of the strange ones."""
    found: dict[tuple[str, str], NotUnderstood] = {}
    for place, (line, (name, reading)) in enumerate(zip(lines, readings, strict=True)):
        for wrong in reading.misread if name != UNPARSED or place in strange else ():
            key = wrong.field, wrong.reason
            found.setdefault(key, NotUnderstood(*key)).add(f"{wrong.text!r} in {line}" if wrong.text else line)
    return sorted(found.values(), key=lambda each: -each.lines)


def _ignored(readings: Sequence[tuple[str, Reading]]) -> dict[str, int]:
    names = (word.partition("=")[0] for _, reading in readings for word in str(reading.fields.get("extra", "")).split())
    return dict(Counter(name for name in names if name.replace(".", "").replace("_", "").isalnum()).most_common(30))


def _hints(readings: Sequence[tuple[str, Reading]], has_spec: bool) -> Iterator[str]:
    fields = [reading.fields for name, reading in readings if name != UNPARSED]
    requests = [found for found in fields if "status" in found or "endpoint" in found]
    taken = [float(found["response_time"]) for found in requests if "response_time" in found]
    if taken and statistics.median(taken) > IMPLAUSIBLE_SECONDS:
        yield (
            f"half of the requests took longer than {statistics.median(taken):g} s: if that is another unit, declare a"
            " format with `json: true` (or its pattern) and `units: {response_time: ms}`"
        )
    if requests and not any(TIME in found for found in requests):
        yield "the lines have no time: rows get the time of their arrival, so old files land on today"
    if requests and not taken:
        yield "no line says how long its request took"
    if not requests:
        yield "no line is a request: it has neither status nor endpoint"
    if not has_spec:
        yield "without a spec, versions are not looked for: give --spec FILE"
