"""Commands that start, stop and show the stack and its roles."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule import times
from bascule.api.servers import prometheus_of
from bascule.cli.access import AccessFile, read_access
from bascule.cli.options import AsJson, Folder, PrometheusUrl, checked_url
from bascule.cli.output import app, out, print_json, print_rows, say, stopping
from bascule.cli.people import journal
from bascule.cli.spec_option import may_take_spec_first, no_spec, takes_spec_first
from bascule.cli.specs import show_odd_sources
from bascule.errors import BasculeError, UsageError
from bascule.prometheus import Prometheus
from bascule.spec import Spec

ROLES = ("judge", "logs", "incidents", "sla", "console")

EngineUrl = Annotated[
    str | None,
    typer.Option(
        "--engine", metavar="URL", help="Measure a Prometheus, VictoriaMetrics, Thanos or Mimir instead; needs no spec."
    ),
]


@app.command()
@may_take_spec_first
def doctor(spec: Spec | None, engine: EngineUrl = None, access: AccessFile = None, as_json: AsJson = False) -> None:
    """Check this machine: what is missing and how to get it; exit 1 if something required is missing.

    With --engine, measure what that server does where engines differ, by what it holds: nothing is written to it.
    """
    if engine is not None:
        raise typer.Exit(_measure_engine(checked_url(engine), access, spec, as_json))
    if spec is None:
        raise no_spec()
    from bascule import stack

    checks = stack.doctor(spec)
    if as_json:
        print_json([vars(check) | {"ok": check.ok} for check in checks])
    else:
        for line in stack.told(checks):
            say(line)
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _measure_engine(url: str, access: Path | None, spec: Spec | None, as_json: bool) -> int:
    from bascule.discover import measure, measured_lines

    findings = measure(_engine(url, access, spec), spec)
    if as_json:
        print_json([vars(finding) | {"ok": finding.ok} for finding in findings])
    else:
        for line in measured_lines(findings):
            say(line)
    return 0 if all(finding.ok for finding in findings) else 1


def _engine(url: str, access: Path | None, spec: Spec | None) -> Prometheus:
    """Entered as the file says, else as the spec does."""
    if spec is None or access is not None:
        return Prometheus(url, credentials=read_access(access).credentials)
    return prometheus_of(spec, url=url)


@app.command()
@takes_spec_first
def up(spec: Spec, spec_path: str) -> None:
    """Start the whole stack next to your own services; Ctrl-C stops it."""
    from bascule import stack

    ready = threading.Event()
    with stopping() as stop, stack.unseen_told(spec, say, ready):
        show_odd_sources(spec)
        stack.up(spec, spec_path, say, stop, ready)


@app.command()
@takes_spec_first
def status(spec: Spec, as_json: AsJson = False) -> None:
    """Show what `bascule up` runs: process, pid, start time, restarts."""
    from bascule import stack

    rows = [{**row, "since": times.parse(row["since"])} for row in stack.status(spec)]
    print_rows(f"processes that run from the state folder {spec.stack.state.absolute()}", rows, as_json)
    if rows and not as_json:
        _say_what_is_owed(spec)


def _say_what_is_owed(spec: Spec) -> None:
    try:
        owed = journal(spec).owed()
    except BasculeError as error:
        say(f"whether notices are owed is unknown: {error.what}")
        return
    if owed:
        say(f"{len(owed)} notices are owed; `bascule notify owed` shows to whom, and why")


@app.command()
@takes_spec_first
def down(spec: Spec) -> None:
    """Stop what `bascule up` started."""
    from bascule import stack

    say("stopped" if stack.down(spec) else "nothing was running")


@app.command()
@takes_spec_first
def serve(
    spec: Spec,
    role: Annotated[str, typer.Option(help="judge, logs, incidents, sla or console.")],
    prometheus: PrometheusUrl = None,
    alertmanager: Annotated[str | None, typer.Option(metavar="URL", help="Address of a running Alertmanager.")] = None,
) -> None:
    """Run one of Bascule's own roles until it is stopped."""
    spec = with_external(spec, prometheus=prometheus, alertmanager=alertmanager)
    run = _role(role)
    with stopping() as stop:
        run(spec, stop)


@app.command()
def demo(
    out_dir: Folder = Path("demo-output"),
    keep: Annotated[
        bool, typer.Option("--keep", metavar="", help="Leave everything running at the end, until Ctrl-C.")
    ] = False,
) -> None:
    """Run a whole migration with a fault on this machine, and show what was found."""
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
    """The spec with parts that already run elsewhere, by URL. Raises UsageError for text that is not a URL."""
    given = {name: checked_url(url) for name, url in urls.items() if url is not None}
    stack = spec.stack.model_copy(update={"external": {**spec.stack.external, **given}})
    return spec.model_copy(update={"stack": stack})
