"""Commands about incidents, maintenance, the plan's steps and telling people."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.cli.output import (
    AsJson,
    From,
    SpecPath,
    app,
    parse_span,
    parse_time,
    print_json,
    print_rows,
    say,
    write_file,
)
from bascule.conventions import SEGMENT
from bascule.errors import UsageError
from bascule.spec import Spec, load

incidents_app = typer.Typer(no_args_is_help=True, help="What Alertmanager delivered, and what people did about it.")
maintenance_app = typer.Typer(no_args_is_help=True, help="Planned windows: silent, and left out of the SLAs.")
phase_app = typer.Typer(no_args_is_help=True, help="The plan's present step: who moved it, and why.")
notify_app = typer.Typer(no_args_is_help=True, help="Receivers of notifications.")
app.add_typer(incidents_app, name="incidents")
app.add_typer(maintenance_app, name="maintenance")
app.add_typer(phase_app, name="phase")
app.add_typer(notify_app, name="notify")

ABOUT = ("job", "instance", "signal", SEGMENT, "gate")
SpecOption = Annotated[str, typer.Option("--spec", help="A spec file.")]
Who = Annotated[str, typer.Option("--who", help="Who does it.")]
Identity = Annotated[int, typer.Argument(help="The number in the list.")]


def client(spec: str) -> Any:
    from bascule.incidents import IncidentsClient

    return IncidentsClient(load(spec).stack.url("incidents"))


@incidents_app.command("list")
def incidents_list(spec: SpecPath = "supersmartmatch", since: From = "now-7d", as_json: AsJson = False) -> None:
    """Open and resolved incidents."""
    known = client(spec).incidents(parse_time(since))
    print_rows("incidents", known if as_json else [_incident(each) for each in known], as_json)


def _incident(known: dict[str, Any]) -> dict[str, Any]:
    """What a reader needs to tell incidents apart, with what they are about."""
    about = (known["labels"].get(name) for name in ABOUT)
    shown = {name: known[name] for name in ("id", "status", "severity", "alert")}
    return {**shown, "about": " ".join(value for value in about if value), "summary": known["summary"]}


@incidents_app.command("ack")
def incidents_ack(number: Identity, who: Who, note: str = "", spec: SpecOption = "supersmartmatch") -> None:
    """Take an incident on: the escalation stops."""
    client(spec).acknowledge(number, who, note)
    say(f"incident {number} is acknowledged by {who}")


@incidents_app.command("note")
def incidents_note(number: Identity, text: str, who: Who, spec: SpecOption = "supersmartmatch") -> None:
    """Write a note to an incident."""
    client(spec).note(number, text, who)
    say(f"noted on incident {number}")


@incidents_app.command("export")
def incidents_export(
    number: Identity,
    path: Annotated[Path | None, typer.Option("--out", help="The file to write; standard output without it.")] = None,
    spec: SpecOption = "supersmartmatch",
) -> None:
    """The post-incident summary, as Markdown."""
    text = client(spec).summary(number)
    if path is None:
        say(text)
        return
    write_file(path, text, "give another --out")
    say(f"wrote {path}")


@maintenance_app.command("list")
def maintenance_list(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """Planned windows, past and coming."""
    print_rows("maintenance windows", client(spec).maintenance(), as_json)


@maintenance_app.command("add")
def maintenance_add(
    reason: str,
    start: Annotated[str, typer.Option("--from", help="RFC 3339 or now.")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339.")],
    who: Who,
    service: Annotated[list[str] | None, typer.Option(help="Only this service; may stand again.")] = None,
    spec: SpecOption = "supersmartmatch",
) -> None:
    """Plan a window; Alertmanager is silenced for it."""
    first, last = parse_span(start, end)
    print_json(client(spec).add_maintenance(first, last, reason, who, service))


@maintenance_app.command("end")
def maintenance_end(number: Identity, who: Who, spec: SpecOption = "supersmartmatch") -> None:
    """End a window now, or cancel a coming one."""
    print_json(client(spec).end_maintenance(number, who))


@phase_app.command("show")
def phase_show(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """The present step of the plan."""
    _print_phase(load(spec), client(spec).phase(), as_json)


@phase_app.command("set")
def phase_set(
    number: Annotated[int, typer.Argument(help="0 for none of the candidate, else the phase's number.")],
    who: Who,
    why: Annotated[str, typer.Option(help="Why.")],
    spec: SpecOption = "supersmartmatch",
    as_json: AsJson = False,
) -> None:
    """Move to a step of the plan: recorded with who and why, and done by the spec's hook if it has one."""
    loaded = load(spec)
    if not 0 <= number <= len(loaded.phases):
        raise UsageError(f"there is no phase {number}", f"phases are 0 to {len(loaded.phases)}")
    _print_phase(loaded, client(spec).set_phase(number, who, why), as_json)


def _print_phase(spec: Spec, phase: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(phase)
        return
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(phase["started"]))
    step = f"phase {phase['number']} of {len(spec.phases)}" if phase["number"] else "before the first phase"
    planned = f"{phase['share'] * 100:.3g} % to {spec.versions.candidate}"
    say(f"{step}: {planned}, since {since} ({phase['who']}: {phase['why']})")


@notify_app.command("test")
def notify_test(
    spec: SpecPath,
    who: Who,
    only: Annotated[str | None, typer.Option(help="Only this receiver.")] = None,
) -> None:
    """Send a marked test through every receiver and tell what became of each; exit 1 if one failed."""
    from bascule.delivery import Result
    from bascule.incidents import try_receivers

    deliveries = try_receivers(load(spec), who, only)
    print_rows("deliveries", [_delivery(each) for each in deliveries], False)
    raise typer.Exit(0 if all(delivery.result is Result.DELIVERED for delivery in deliveries) else 1)


def _delivery(done: Any) -> dict[str, Any]:
    took = f"{done.ended - done.started:.1f} s"
    return {
        "receiver": done.receiver,
        "channel": done.channel,
        "result": done.result,
        "attempts": done.attempts,
        "took": took,
        "detail": done.detail,
    }
