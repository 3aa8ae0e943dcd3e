"""Commands about the log store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bascule.cli.output import AsJson, app, print_json, print_rows, say
from bascule.spec import load
from bascule.spec.quantities import format_duration

logs_app = typer.Typer(no_args_is_help=True, help="The log store: search, figures, reading files, forgetting a user.")
app.add_typer(logs_app, name="logs")

SpecOption = Annotated[str, typer.Option("--spec", help="A spec file.")]
Shown = ("timestamp", "source", "level", "format", "message")


@logs_app.command("search")
def search(
    text: Annotated[str, typer.Argument(help="Words that a line holds, or /a regular expression/.")] = "",
    since: Annotated[str | None, typer.Option(help="1h, now-1d, or RFC 3339.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="A condition, such as status>=500; may stand again.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at the most, the latest first.")] = 100,
    spec: SpecOption = "supersmartmatch",
    as_json: AsJson = False,
) -> None:
    """The latest lines that hold a text and meet every condition; exit 1 when there is none."""
    from bascule import logs

    rows = logs.search(load(spec), text, since, tuple(where or ()), limit)
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
def stats(spec: SpecOption = "supersmartmatch") -> None:
    """What the store holds, by source, format, version and day."""
    from bascule import logs

    print_json(logs.stats(load(spec)))


@logs_app.command("ingest")
def ingest(
    files: Annotated[list[str], typer.Argument(help="Files, globs, gzip'd files, or - for standard input.")],
    source: Annotated[str | None, typer.Option(help="The spec's source whose formats the lines have.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that read several files at once.")] = 1,
    spec: SpecOption = "supersmartmatch",
) -> None:
    """Read files to their end into the store, each line exactly once."""
    from bascule import logs

    loaded = load(spec)
    taken = logs.ingest(loaded, files, source, workers)
    say(f"{taken.rows} rows in {taken.seconds:.1f} s; {taken.unparsed} matched no format and were kept as text")
    if taken.expired:
        kept = format_duration(loaded.logs.retention)
        say(f"{taken.expired} of the rows are older than logs.retention ({kept}) and were dropped again")


@logs_app.command("forget")
def forget(
    user: Annotated[str, typer.Argument(help="The user's id, as the services write it.")],
    spec: SpecOption = "supersmartmatch",
) -> None:
    """Take a user's id out of everything stored."""
    from bascule import logs

    rows = logs.forget(load(spec), user)
    print_rows("forgotten rows", [{"user": user, "rows": rows}], False)
