"""Commands that start, stop and show the stack and its roles."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.cli.output import (
    AsJson,
    Folder,
    PrometheusUrl,
    SpecPath,
    app,
    checked_url,
    out,
    print_json,
    print_rows,
    say,
    stopping,
)
from bascule.errors import UsageError
from bascule.spec import Spec, load

ROLES = ("judge", "logs", "incidents", "sla", "console")


@app.command()
def doctor(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """Tell what is missing on this machine and how to get it; exit 1 if something needed is."""
    from bascule import stack

    checks = stack.doctor(load(spec))
    if as_json:
        print_json([vars(check) | {"ok": check.ok} for check in checks])
    else:
        for line in stack.told(checks):
            say(line)
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


@app.command()
def up(spec: SpecPath) -> None:
    """Start the whole stack beside your own services; Ctrl-C stops it."""
    from bascule import stack

    with stopping() as stop:
        stack.up(load(spec), spec, say, stop)


@app.command()
def status(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """Tell what `bascule up` runs: process, pid, since when, restarts."""
    from bascule import stack

    loaded = load(spec)
    print_rows(f"processes of the state folder {loaded.stack.state.absolute()}", stack.status(loaded), as_json)


@app.command()
def down(spec: SpecPath = "supersmartmatch") -> None:
    """Stop what `bascule up` started."""
    from bascule import stack

    say("stopped" if stack.down(load(spec)) else "nothing was running")


@app.command()
def serve(
    spec: SpecPath,
    role: Annotated[str, typer.Option(help="judge, logs, incidents, sla or console.")],
    prometheus: PrometheusUrl = None,
    alertmanager: Annotated[str | None, typer.Option(help="URL of an Alertmanager that runs already.")] = None,
) -> None:
    """Run one of Bascule's own roles until told to stop."""
    loaded = with_external(load(spec), prometheus=prometheus, alertmanager=alertmanager)
    run = _role(role)
    with stopping() as stop:
        run(loaded, stop)


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


def _role(name: str) -> Any:
    """The `run(spec, stop)` of a role."""
    if name not in ROLES:
        raise UsageError(f"{name!r} is not a role", f"roles are {', '.join(ROLES)}")
    return importlib.import_module(f"bascule.{name}").run


def with_external(spec: Spec, **urls: str | None) -> Spec:
    """The spec with parts that already run elsewhere, by URL. Raises UsageError for what is no URL."""
    given = {name: checked_url(url) for name, url in urls.items() if url is not None}
    stack = spec.stack.model_copy(update={"external": {**spec.stack.external, **given}})
    return spec.model_copy(update={"stack": stack})
