"""A function per command; the only place that prints. Exit codes: design table in docs/commands.md."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bascule.conventions import GATE_EXIT_CODES, Verdict
from bascule.errors import BasculeError, UsageError
from bascule.spec import Spec, load

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Weighs two versions of a service against each other while traffic moves from one to the other.",
)
out = Console()
err = Console(stderr=True)

SpecPath = Annotated[str, typer.Argument(help="A spec file, or 'supersmartmatch' for the built-in one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Folder = Annotated[Path, typer.Option("--out", help="Folder to write to.")]


def main() -> None:
    """Run a command; a user's mistake is told in plain words, never as a traceback."""
    try:
        app()
    except BasculeError as error:
        err.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


# ---------------------------------------------------------------- the spec


@app.command()
def check(spec: SpecPath) -> None:
    """Tell every problem of a spec, with file, line and mend (exit 2), or that there is none (exit 0)."""
    loaded = load(spec)
    out.print(
        f"{spec}: ok: {len(loaded.services)} services, {len(loaded.signals)} signals, {len(loaded.phases)} phases"
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec, for editors."""
    print(json.dumps(Spec.model_json_schema(), indent=2))


@app.command()
def init(out_file: Annotated[Path, typer.Argument(help="The file to write.")] = Path("bascule.yaml")) -> None:
    """Write a starter spec: the built-in one, to be edited."""
    from bascule.spec import built_in_text

    if out_file.exists():
        raise UsageError(f"{out_file} exists", "name another file, or remove it first")
    out_file.write_text(built_in_text(), "utf-8")
    out.print(f"wrote {out_file}; edit it, then: bascule check {out_file}")


@app.command()
def generate(
    spec: SpecPath,
    out_dir: Folder = Path("generated"),
    check_only: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 on drift.")] = False,
) -> None:
    """Write rules, alerts, their tests and all other configuration from a spec."""
    from bascule import generate as room

    loaded = load(spec)
    if check_only:
        drift = room.check(loaded, out_dir)
        for line in drift:
            out.print(line, markup=False)
        raise typer.Exit(1 if drift else 0)
    written = room.write(loaded, out_dir)
    out.print(f"wrote {len(written)} files below {out_dir}")


# ---------------------------------------------------------------- running


@app.command()
def doctor(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """Tell what is missing on this machine and how to get it; exit 1 if something needed is."""
    from bascule import stack

    checks = stack.doctor(load(spec))
    if as_json:
        print(json.dumps([vars(c) for c in checks], default=str))
    else:
        for item in checks:
            out.print(str(item), markup=False)
    raise typer.Exit(0 if all(item.ok for item in checks) else 1)


@app.command()
def up(spec: SpecPath) -> None:
    """Start the whole stack beside the user's own services; Ctrl-C stops it."""
    from bascule import stack

    with stopping() as stop:
        stack.up(load(spec), spec, lambda text: out.print(text, markup=False), stop)


@app.command()
def status(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """Tell what `bascule up` runs: process, pid, since when, restarts."""
    from bascule import stack

    print_rows("processes", stack.status(load(spec)), as_json)


@app.command()
def down(spec: SpecPath = "supersmartmatch") -> None:
    """Stop what `bascule up` started."""
    from bascule import stack

    stack.down(load(spec))


@app.command()
def serve(
    spec: SpecPath,
    role: Annotated[str, typer.Option(help="judge, logs, incidents or console.")],
    prometheus: Annotated[str | None, typer.Option(help="URL of a Prometheus that runs already.")] = None,
    alertmanager: Annotated[str | None, typer.Option(help="URL of an Alertmanager that runs already.")] = None,
) -> None:
    """Run one of Bascule's own roles until told to stop."""
    loaded = with_external(load(spec), prometheus=prometheus, alertmanager=alertmanager)
    with stopping() as stop:
        role_of(role)(loaded, stop)


def role_of(name: str) -> Any:
    """The `run(spec, stop)` of a role."""
    import importlib

    if name not in ("judge", "logs", "incidents", "console"):
        raise UsageError(f"{name!r} is not a role", "roles are judge, logs, incidents and console")
    return importlib.import_module(f"bascule.{name}").run


@app.command()
def demo(
    out_dir: Folder = Path("demo-output"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
) -> None:
    """Play a whole migration with a fault on this machine, and tell what was found."""
    from bascule.scenarios import demo as scenario

    with stopping() as stop:
        summary = scenario.run(out_dir, out, stop, keep=keep)
    raise typer.Exit(0 if summary.succeeded else 1)


# ---------------------------------------------------------------- reading


@app.command()
def gate(
    spec: SpecPath,
    as_json: AsJson = False,
    wait: Annotated[str, typer.Option(help="Wait this long for a decision.")] = "0s",
) -> None:
    """The verdict for a pipeline: exit 0 promote, 1 roll back, 3 hold, 4 no data."""
    from bascule import judge

    answer = judge.gate(load(spec), wait=wait)
    print(json.dumps(answer)) if as_json else print_verdict(answer)
    raise typer.Exit(GATE_EXIT_CODES[Verdict(answer["verdict"])])


def print_verdict(answer: dict[str, Any]) -> None:
    out.print(str(answer["verdict"]).replace("_", " ").upper(), style="bold")
    for reason in answer["reasons"]:
        out.print(f"  {reason}", markup=False)


def print_rows(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    """Rows of plain dictionaries as a table, or as JSON."""
    if as_json:
        print(json.dumps(rows, default=str))
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0] if rows else []:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table if rows else f"no {title}")


# ---------------------------------------------------------------- shared


def with_external(spec: Spec, **urls: str | None) -> Spec:
    """The spec with parts that already run elsewhere, by URL."""
    given = {name: url for name, url in urls.items() if url}
    stack = spec.stack.model_copy(update={"external": {**spec.stack.external, **given}})
    return spec.model_copy(update={"stack": stack})


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that everything is put away before the process ends."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def parse_time(text: str, now: datetime | None = None) -> float:
    """Unix seconds of an RFC 3339 time, `now`, or `now-7d`."""
    from bascule.spec.quantities import parse_duration

    present = (now or datetime.now(UTC)).timestamp()
    if text == "now":
        return present
    if text.startswith("now-"):
        return present - parse_duration(text[4:])
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time", "write 2026-01-31T08:00:00Z, now, or now-7d") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
