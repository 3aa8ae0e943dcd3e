"""Commands about the log store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bascule.cli.output import AsJson, app, print_json, print_rows, say
from bascule.cli.spec_option import takes_spec, takes_spec_first
from bascule.spec import Spec
from bascule.spec.quantities import format_duration

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
    since: Annotated[str | None, typer.Option(help="1h, now-1d, or RFC 3339.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="A condition, such as status>=500; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many rows, latest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Find the latest lines that contain a text and meet every condition; exit 1 when there are none."""
    from bascule import logs

    rows = logs.search(spec, text, since, tuple(where or ()), limit)
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            say(_line(row))
    raise typer.Exit(0 if rows else 1)


def _line(row: dict[str, Any]) -> str:
    """Time, source and message, then whatever other columns the row has."""
    first = " ".join(str(row[key]) for key in Shown if row.get(key) not in (None, ""))
    rest = " ".join(f"{key}={value}" for key, value in row.items() if key not in Shown and value not in (None, ""))
    return f"{first} {rest}".strip()


@logs_app.command("stats")
@takes_spec_first
def stats(spec: Spec) -> None:
    """What the store holds, by source, format, version and day."""
    from bascule import logs

    print_json(logs.stats(spec))


@logs_app.command("ingest")
@takes_spec
def ingest(
    spec: Spec,
    files: Annotated[list[str], typer.Argument(help="Files, globs, gzip files, or - for standard input.")],
    source: Annotated[str | None, typer.Option(help="The source of the spec that the lines belong to.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read several files at once.")] = 1,
) -> None:
    """Read files to their end into the store, each line exactly once."""
    from bascule import logs

    taken = logs.ingest(spec, files, source, workers)
    say(f"{taken.rows} rows in {taken.seconds:.1f} s; {taken.unparsed} matched no format and were kept as text")
    if taken.expired:
        kept = format_duration(spec.logs.retention)
        say(f"{taken.expired} of the rows are older than logs.retention ({kept}) and were dropped again")


@logs_app.command("forget")
@takes_spec
def forget(spec: Spec, user: Annotated[str, typer.Argument(help="The user's id, as the services write it.")]) -> None:
    """Remove a user's id from everything stored."""
    from bascule import logs

    rows = logs.forget(spec, user)
    print_rows("forgotten rows", [{"user": user, "rows": rows}], False)
