"""Commands about the log store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule import times
from bascule.cli.options import AsJson
from bascule.cli.output import app, complain, print_json, print_rows, say
from bascule.cli.spec_option import may_take_spec, takes_spec, takes_spec_first
from bascule.logformat import KIND_OF
from bascule.spec import Spec
from bascule.spec.quantities import format_duration
from bascule.units import bytes_text, number_text, time_text

if TYPE_CHECKING:
    from bascule.logs import Trial

logs_app = typer.Typer(
    no_args_is_help=True, help="The log store: search, statistics, reading files, forgetting a user."
)
app.add_typer(logs_app, name="logs")

Shown = ("timestamp", "source", "level", "format", "message")


@logs_app.command("search")
@takes_spec
def search(
    spec: Spec,
    text: Annotated[str, typer.Argument(help="Words in a line, or /a regular expression/.")] = "",
    since: Annotated[str | None, typer.Option(help="From when on: RFC 3339, now-1d or 1h (an hour ago).")] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help="A condition, such as status>=500; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most this many rows, latest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Find the latest lines that contain a text and meet every condition; exit 1 when there are none."""
    from bascule import logs

    rows = logs.search(spec, text, since, tuple(where or ()), limit)
    if as_json:
        print_json(rows)
    elif rows:
        for row in rows:
            say(_line(row))
    else:
        complain(_nothing_found(logs.stats(spec)["groups"]))
    raise typer.Exit(0 if rows else 1)


def _nothing_found(groups: Sequence[dict[str, Any]]) -> str:
    """Whether no line matches, or there is none to match; times are RFC 3339, which sort as text."""
    if not groups:
        return "no line is stored yet; `bascule logs try FILE` shows whether a file can be read"
    held = sum(row["rows"] for row in groups)
    dated = [row for row in groups if "first" in row]  # there are lines without a time
    if not dated:
        return f"no line matches; the store holds {held}, without times"
    first, last = min(row["first"] for row in dated), max(row["last"] for row in dated)
    return f"no line matches; the store holds {held}, from {_dated(first)} to {_dated(last)}"


def _dated(text: str) -> str:
    return times.dated(times.parse(text).timestamp())


def _line(row: dict[str, Any]) -> str:
    """Time, source and message, then whatever other columns the row has."""
    first = " ".join(str(row[key]) for key in Shown if row.get(key) not in (None, ""))
    others = {key: value for key, value in row.items() if key not in Shown and value not in (None, "")}
    return f"{first} {' '.join(f'{key}={_valued(key, value)}' for key, value in others.items())}".strip()


def _valued(key: str, value: Any) -> str:
    """A column's value, where it is measured with its unit and three digits; the JSON has every digit."""
    if not isinstance(value, float):
        return str(value)
    return time_text(value) if KIND_OF.get(key) == "s" else number_text(value)


@logs_app.command("stats")
@takes_spec_first
def stats(spec: Spec, as_json: AsJson = False) -> None:
    """Show what the store holds, by source, format, version and day."""
    from bascule import logs

    held = logs.stats(spec)
    if as_json:
        print_json(held)
        return
    for title, part in (("stored lines by source", "groups"), ("stored lines by day", "days")):
        print_rows(title, [_readable(row) for row in held[part]], False)
    for name in held["broken"]:
        say(f"{name} cannot be read; its rows are missing above")


@logs_app.command("ingest")
@takes_spec
def ingest(
    spec: Spec,
    files: Annotated[
        list[str], typer.Argument(metavar="FILES", help="Files, globs, compressed files, or - for standard input.")
    ],
    source: Annotated[str | None, typer.Option(help="The source of the spec that the lines belong to.")] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Processes that read several files at once.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Store whole files; each line is stored exactly once."""
    from bascule import logs

    taken = logs.ingest(spec, files, source, workers)
    if as_json:
        print_json(asdict(taken))
        return
    for path, name in taken.sources.items():
        say(f"{path}: read as source {name}")
    say(f"{taken.rows} rows in {taken.seconds:.1f} s; {taken.unparsed} matched no format and were kept as text")
    if taken.expired:
        kept = format_duration(spec.logs.retention)
        say(f"{taken.expired} of the rows are older than logs.retention ({kept}) and were dropped again")


@logs_app.command("try")
@may_take_spec
def try_file(
    spec: Spec | None,
    file: Annotated[Path, typer.Argument(help="A log file, compressed or not. Nothing of it is stored.")],
    form: Annotated[
        list[str] | None, typer.Option("--format", metavar="NAME", help="A format to read it by; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which lines of a file can be read, which cannot, and why; propose a source. Exit 1 when no line is read."""
    from bascule import logs

    trial = logs.attempt(spec, file, form or ())
    if as_json:
        print_json(_as_json(trial))
    else:
        for line in _told(trial):
            say(line)
    raise typer.Exit(0 if any(number for name, number in trial.formats.items() if name != logs.UNPARSED) else 1)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row of what the store holds, for people."""
    shown = {name: times.parse(value) if name in ("first", "last") else value for name, value in row.items()}
    return shown | ({"bytes": bytes_text(row["bytes"])} if "bytes" in row else {})


def _in_unit(value: Any, unit: str) -> str:
    if isinstance(value, str):
        return repr(value)
    return time_text(value) if unit == "seconds" else number_text(value)


def _as_json(trial: Trial) -> dict[str, Any]:
    versions = [{"version": v, "version_from": how, "rows": rows} for (v, how), rows in trial.versions.items()]
    return {name: value for name, value in asdict(trial).items() if name != "values"} | {"versions": versions}


def _told(trial: Trial) -> Iterator[str]:
    yield f"{trial.file}: {trial.lines} lines read"
    for name, number in trial.formats.items():
        yield f"  {name}: {number} {'line' if number == 1 else 'lines'}"
        for found in trial.fields.get(name, []):
            median = "" if found.median is None else f", median {_in_unit(found.median, found.unit)}"
            unit = f"{found.unit}, " if found.unit == "UTC" else ""
            yield f"    {found.name} ({found.lines}): {unit}such as {_in_unit(found.example, found.unit)}{median}"
    if trial.versions:
        yield "versions of requests, and how they are known:"
    for (version, how), number in sorted(trial.versions.items()):
        yield f"  {version} by {how}: {number}"
    if trial.not_understood:
        yield "not read, with the reason:"
    for wrong in trial.not_understood:
        yield f"  {wrong.name}: {wrong.reason} ({wrong.lines})"
        yield from (f"    {example}" for example in wrong.examples)
    if trial.ignored:
        yield f"fields without a column, kept in `extra`: {', '.join(trial.ignored)}"
    yield from (f"note: {hint}" for hint in trial.hints)
    yield "a source for logs.sources:"
    yield f"  - {json.dumps(trial.source)}"


@logs_app.command("forget")
@takes_spec
def forget(
    spec: Spec,
    user: Annotated[str, typer.Argument(help="The user's id, as the services write it.")],
    as_json: AsJson = False,
) -> None:
    """Remove a user's id from everything stored."""
    from bascule import logs

    rows = logs.forget(spec, user)
    print_rows("forgotten rows", [{"user": user, "rows": rows}], as_json)
