"""Commands about incidents, maintenance, the plan's steps and telling people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule import times
from bascule.cli.output import (
    AsJson,
    From,
    app,
    parse_span,
    parse_time,
    print_json,
    print_rows,
    say,
    write_file,
)
from bascule.cli.spec_option import takes_spec, takes_spec_first
from bascule.conventions import SEGMENT
from bascule.errors import UsageError
from bascule.spec import Spec

if TYPE_CHECKING:
    from bascule.incidents import IncidentsClient

incidents_app = typer.Typer(no_args_is_help=True, help="What Alertmanager delivered, and what people did about it.")
maintenance_app = typer.Typer(no_args_is_help=True, help="Planned windows: silenced, and excluded from the SLAs.")
phase_app = typer.Typer(no_args_is_help=True, help="The current step of the plan: who set it, and why.")
notify_app = typer.Typer(no_args_is_help=True, help="Receivers of notifications.")
app.add_typer(incidents_app, name="incidents")
app.add_typer(maintenance_app, name="maintenance")
app.add_typer(phase_app, name="phase")
app.add_typer(notify_app, name="notify")

ABOUT = ("job", "instance", "signal", SEGMENT, "gate")
Who = Annotated[str, typer.Option("--who", help="Who is doing this.")]
Identity = Annotated[int, typer.Argument(help="The number in the list.")]


def journal(spec: Spec) -> IncidentsClient:
    """The client of the incidents role. Raises UsageError when the role serves another migration."""
    from bascule.incidents import IncidentsClient

    client = IncidentsClient(spec.stack.url("incidents"))
    served = client.phase().get("migration")
    if served != spec.metadata.name:
        what = f"the incidents role at {client.url} serves the migration {served!r}, not {spec.metadata.name!r}"
        raise UsageError(what, "give the spec of that migration, or give each its own stack.ports.incidents")
    return client


@incidents_app.command("list")
@takes_spec_first
def incidents_list(spec: Spec, since: From = "now-7d", as_json: AsJson = False) -> None:
    """List open and resolved incidents."""
    known = journal(spec).incidents(parse_time(since))
    print_rows("incidents", known if as_json else [_incident(each) for each in known], as_json)


def _incident(known: dict[str, Any]) -> dict[str, Any]:
    """What tells incidents apart, and what they are about."""
    about = (known["labels"].get(name) for name in ABOUT)
    shown = {name: known[name] for name in ("id", "status", "severity", "alert")}
    return {**shown, "about": " ".join(value for value in about if value), "summary": known["summary"]}


@incidents_app.command("ack")
@takes_spec
def incidents_ack(spec: Spec, number: Identity, who: Who, note: str = "") -> None:
    """Acknowledge an incident: the escalation stops."""
    journal(spec).acknowledge(number, who, note)
    say(f"incident {number} is acknowledged by {who}")


@incidents_app.command("note")
@takes_spec
def incidents_note(spec: Spec, number: Identity, text: str, who: Who) -> None:
    """Add a note to an incident."""
    journal(spec).note(number, text, who)
    say(f"note added to incident {number}")


@incidents_app.command("export")
@takes_spec
def incidents_export(
    spec: Spec,
    number: Identity,
    path: Annotated[Path | None, typer.Option("--out", help="The file to write; standard output without it.")] = None,
) -> None:
    """Write the post-incident summary, as Markdown."""
    text = journal(spec).summary(number)
    if path is None:
        say(text)
        return
    write_file(path, text, "give another --out")
    say(f"wrote {path}")


@maintenance_app.command("list")
@takes_spec_first
def maintenance_list(spec: Spec, as_json: AsJson = False) -> None:
    """List planned windows, past and future."""
    print_rows("maintenance windows", journal(spec).maintenance(), as_json)


@maintenance_app.command("add")
@takes_spec
def maintenance_add(
    spec: Spec,
    reason: str,
    start: Annotated[str, typer.Option("--from", help="RFC 3339 or now.")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339.")],
    who: Who,
    service: Annotated[list[str] | None, typer.Option(help="Only this service; repeatable.")] = None,
) -> None:
    """Plan a window; Alertmanager is silenced during it."""
    first, last = parse_span(start, end)
    print_json(journal(spec).add_maintenance(first, last, reason, who, service))


@maintenance_app.command("end")
@takes_spec
def maintenance_end(spec: Spec, number: Identity, who: Who) -> None:
    """End a window now, or cancel a future one."""
    print_json(journal(spec).end_maintenance(number, who))


@phase_app.command("show")
@takes_spec_first
def phase_show(spec: Spec, as_json: AsJson = False) -> None:
    """Show the current step of the plan."""
    _print_phase(spec, journal(spec).phase(), as_json)


@phase_app.command("set")
@takes_spec
def phase_set(
    spec: Spec,
    number: Annotated[int, typer.Argument(help="The phase's number; 0 sends all traffic to the baseline.")],
    who: Who,
    why: Annotated[str, typer.Option(help="Why.")],
    as_json: AsJson = False,
) -> None:
    """Move to a step of the plan: recorded with who and why, and applied by the spec's hook if it has one."""
    if not 0 <= number <= len(spec.phases):
        raise UsageError(f"there is no phase {number}", f"phases are 0 to {len(spec.phases)}")
    _print_phase(spec, journal(spec).set_phase(number, who, why), as_json)


def _print_phase(spec: Spec, phase: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(phase)
        return
    step = f"phase {phase['number']} of {len(spec.phases)}" if phase["number"] else "before the first phase"
    planned = f"{phase['share'] * 100:.3g} % to {spec.versions.candidate}"
    say(f"{step}: {planned}, since {times.rfc3339(phase['started'])} ({phase['who']}: {phase['why']})")


@notify_app.command("test")
@takes_spec_first
def notify_test(
    spec: Spec,
    who: Who,
    only: Annotated[str | None, typer.Option(help="Only this receiver.")] = None,
) -> None:
    """Send a test message through every receiver and show the result of each; exit 1 if one failed."""
    from bascule.delivery.message import Result
    from bascule.incidents import try_receivers

    deliveries = try_receivers(spec, who, only)
    print_rows("deliveries", [_delivery(each) for each in deliveries], False)
    raise typer.Exit(0 if all(delivery.result is Result.DELIVERED for delivery in deliveries) else 1)


def _delivery(done: Any) -> dict[str, Any]:
    took = f"{done.ended - done.started:.1f} s"
    return {
        "receiver": done.receiver,
        "result": done.result,
        "attempts": done.attempts,
        "took": took,
        "detail": done.detail,
    }
