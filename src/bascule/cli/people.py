"""Commands about incidents, maintenance and telling people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule import times
from bascule.cli.options import AsJson, From, Who, Why, parse_span, parse_time
from bascule.cli.output import app, print_answers, print_json, print_rows, say, write_file
from bascule.cli.spec_option import takes_spec, takes_spec_first
from bascule.conventions import SEGMENT, notice_word
from bascule.spec import Spec

if TYPE_CHECKING:
    from bascule.api import IncidentsClient
    from bascule.api.models.journal import IncidentAnswer, NoticeAnswer, TimelineAnswer, WindowAnswer
    from bascule.api.models.others import DeliveryAnswer

incidents_app = typer.Typer(no_args_is_help=True, help="Incidents: list, show, acknowledge, close, export.")
maintenance_app = typer.Typer(no_args_is_help=True, help="Planned maintenance: silenced, and excluded from the SLAs.")
notify_app = typer.Typer(no_args_is_help=True, help="Receivers: test them, list undelivered notices.")
app.add_typer(incidents_app, name="incidents")
app.add_typer(maintenance_app, name="maintenance")
app.add_typer(notify_app, name="notify")

ABOUT = ("job", "instance", "signal", SEGMENT, "gate")
NoteOption = Annotated[str, typer.Option("--note", help="A note for the timeline.")]
NoteText = Annotated[str, typer.Argument(help="The note.")]
Identity = Annotated[int, typer.Argument(help="The number in the list.")]


def journal(spec: Spec) -> IncidentsClient:
    """The client of the incidents role, which refuses another migration's."""
    from bascule.api import IncidentsClient

    return IncidentsClient(spec)


@incidents_app.command("list")
@takes_spec_first
def incidents_list(spec: Spec, since: From = "now-7d", as_json: AsJson = False) -> None:
    """List open and resolved incidents."""
    known = journal(spec).incidents(parse_time(since))
    print_answers("incidents", known, _incident, as_json)


def _incident(known: IncidentAnswer) -> dict[str, Any]:
    """What tells incidents apart, and what they are about."""
    about = (known.labels.get(name) for name in ABOUT)
    shown = {name: getattr(known, name) for name in ("id", "status", "severity", "alert")}
    return {
        **shown,
        "started": known.starts,
        "about": " ".join(value for value in about if value),
        "summary": known.summary,
    }


@incidents_app.command("ack")
@takes_spec
def incidents_ack(spec: Spec, number: Identity, who: Who, note: NoteOption = "", as_json: AsJson = False) -> None:
    """Acknowledge an incident: the escalation stops."""
    done = journal(spec).acknowledge(number, who, note)
    _done([each.model_dump(mode="json") for each in done], f"incident {number} is acknowledged by {who}", as_json)


@incidents_app.command("note")
@takes_spec
def incidents_note(spec: Spec, number: Identity, text: NoteText, who: Who, as_json: AsJson = False) -> None:
    """Add a note to an incident."""
    done = journal(spec).note(number, text, who)
    _done(done.model_dump(mode="json"), f"note added to incident {number}", as_json)


def _done(answer: Any, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        say(sentence)


@incidents_app.command("show")
@takes_spec
def incidents_show(spec: Spec, number: Identity, as_json: AsJson = False) -> None:
    """Show an incident: its timeline, who was notified, and which notices are not delivered yet."""
    client = journal(spec)
    incident = client.incident(number)
    notices, deliveries = client.told(incident.situation)
    if as_json:
        known = incident.model_dump(mode="json")
        known |= {"notices": [each.model_dump(mode="json") for each in notices]}
        print_json(known | {"deliveries": [each.model_dump(mode="json") for each in deliveries]})
        return
    say(f"#{incident.id} {incident.alert} ({incident.severity}): {incident.status}")
    say(incident.description or incident.summary)
    ended = f", ended {times.dated(incident.resolved.timestamp())}" if incident.resolved else ""
    say(f"began {times.dated(incident.starts.timestamp())}{ended}")
    print_rows("timeline entries", [entry_row(each) for each in incident.entries], False)
    if not spec.notify.receivers:
        say("no one is notified: the spec declares no receiver (notify.receivers)")
        return
    print_rows("notices", [_notice(each) for each in notices], False)
    print_rows("deliveries", [_to_channel(each) for each in reversed(deliveries)], False)


def entry_row(entry: TimelineAnswer) -> dict[str, Any]:
    """An entry of the timeline, as a row of a table."""
    return {"at": entry.at, "what": entry.kind, "text": entry.text, "who": entry.who}


def _notice(notice: NoticeAnswer) -> dict[str, Any]:
    return {
        "at": notice.at,
        "receiver": notice.receiver,
        "notice": notice_word(notice.kind),
        "result": notice.result,
        "detail": notice.detail,
    }


@incidents_app.command("close")
@takes_spec
def incidents_close(spec: Spec, number: Identity, who: Who, why: Why, as_json: AsJson = False) -> None:
    """End an incident by hand: its alert does not page until it starts again."""
    closed = journal(spec).close_incident(number, who, why)
    _done(closed.model_dump(mode="json"), f"incident {closed.id} is closed", as_json)


@incidents_app.command("reopen")
@takes_spec
def incidents_reopen(spec: Spec, number: Identity, who: Who, why: Why, as_json: AsJson = False) -> None:
    """Reopen an incident; everyone who was told that it ended is notified."""
    reopened = journal(spec).reopen_incident(number, who, why)
    _done(reopened.model_dump(mode="json"), f"incident {reopened.id} is open again", as_json)


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
    print_answers("maintenance windows", journal(spec).maintenance(), _window, as_json)


def _window(window: WindowAnswer) -> dict[str, Any]:
    return {
        "id": window.id,
        "from": window.starts,
        "to": window.ends,
        "services": ", ".join(window.services) or "every service",
        "reason": window.reason,
        "who": window.who,
        "cancelled": "yes" if window.cancelled else "no",
    }


@maintenance_app.command("add")
@takes_spec
def maintenance_add(
    spec: Spec,
    reason: Annotated[str, typer.Argument(help="Why; shown in SLA reports.")],
    start: Annotated[str, typer.Option("--from", help="RFC 3339, now or now+30m.")],
    end: Annotated[str, typer.Option("--to", help="RFC 3339 or now+2h.")],
    who: Who,
    service: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this service; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Plan a window; Alertmanager is silenced during it."""
    first, last = parse_span(start, end)
    _show_window("planned", journal(spec).add_maintenance(first, last, reason, who, service or ()), as_json)


@maintenance_app.command("end")
@takes_spec
def maintenance_end(spec: Spec, number: Identity, who: Who, as_json: AsJson = False) -> None:
    """End a window now, or cancel a future one."""
    window = journal(spec).end_maintenance(number, who)
    _show_window("cancelled" if window.cancelled else "ended", window, as_json)


def _show_window(what: str, window: WindowAnswer, as_json: bool) -> None:
    services = ", ".join(window.services) or "every service"
    span = f"{times.dated(window.starts.timestamp())} to {times.dated(window.ends.timestamp())}"
    _done(window.model_dump(mode="json"), f"window {window.id} is {what}: {span}, {services}: {window.reason}", as_json)


@notify_app.command("test")
@takes_spec_first
def notify_test(
    spec: Spec,
    who: Who,
    only: Annotated[str | None, typer.Option(help="Only this receiver.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message through every receiver and show the result of each; exit 1 if one failed."""
    from bascule.delivery import Result
    from bascule.incidents import try_receivers

    deliveries = try_receivers(spec, who, only)
    print_rows("deliveries", [_delivery(each) for each in deliveries], as_json)
    raise typer.Exit(0 if all(delivery.result is Result.DELIVERED for delivery in deliveries) else 1)


@notify_app.command("owed")
@takes_spec_first
def notify_owed(spec: Spec, as_json: AsJson = False) -> None:
    """List the notices that are not delivered yet, with the reason; exit 1 if there is one."""
    owed = journal(spec).owed()
    print_answers("owed notices", owed, _to_channel, as_json)
    raise typer.Exit(1 if owed else 0)


def _to_channel(delivery: DeliveryAnswer) -> dict[str, Any]:
    return {
        "since": delivery.started,
        "receiver": delivery.receiver,
        "channel": delivery.channel,
        "subject": delivery.subject,
        "result": delivery.result,
        "attempts": delivery.attempts,
        "detail": delivery.detail,
    }


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
