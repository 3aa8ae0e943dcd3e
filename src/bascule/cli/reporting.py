"""Commands about SLA reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule import times
from bascule.api.servers import prometheus_of
from bascule.cli.options import AsJson, From, PrometheusUrl, To, parse_span
from bascule.cli.output import app, complain, err, print_json, print_rows, say, write_file
from bascule.cli.running import with_external
from bascule.cli.spec_option import takes_spec, takes_spec_first
from bascule.errors import Unreachable, UsageError
from bascule.prometheus import Prometheus
from bascule.spec import Spec
from bascule.states import no_data

if TYPE_CHECKING:
    from bascule.delivery import Delivery
    from bascule.sla import Archive, Archived, Report

sla_app = typer.Typer(no_args_is_help=True, help="SLA reports.")
app.add_typer(sla_app, name="sla")

SHORT_FORMS = {"md": "markdown"}
STANDARD_OUTPUT = Path("-")
ANSWER_SECONDS = 5.0  # that Prometheus may take to say that it is there
TIMEOUT, ALL_SECONDS = 120.0, 900.0  # that a query over a long span may take, and all of them together


@sla_app.command("report")
@takes_spec_first
def sla_report(
    spec: Spec,
    start: From = "now-30d",
    end: To = "now",
    form: Annotated[str, typer.Option("--format", help="html, pdf, markdown (md), csv or json.")] = "html",
    path: Annotated[
        Path | None, typer.Option("--out", help="The file to write; - prints it. By default, a name with the span.")
    ] = None,
    language: Annotated[str, typer.Option(help="en or fr.")] = "en",
    objective: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this objective; repeatable.")
    ] = None,
    send: Annotated[
        list[str] | None, typer.Option(metavar="WHO", help="A receiver or mail address; repeatable.")
    ] = None,
    prometheus: PrometheusUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write the SLA report; exit 1 if an SLA is breached, 4 if one has no data or a receiver did not get the report."""
    from bascule import sla

    if as_json:
        form, path = "json", path or STANDARD_OUTPUT
    form = SHORT_FORMS.get(form, form)
    if form not in sla.FORMATS:
        raise UsageError(f"{form!r} is not a format", f"formats are {', '.join(sla.FORMATS)}")
    if language not in ("en", "fr"):
        raise UsageError(f"{language!r} is not a language of reports", "give en or fr")
    spec = with_external(spec, prometheus=prometheus)
    asked = time.time()  # before `now` is read, so that a change of the objectives until now lies within the span
    first, last = parse_span(start, end)
    report = sla.report_of(spec, _prometheus(spec), first, last, asked, objective or ())
    path = path or _file_name(spec, first, last, form)
    _write(sla.render(report, form, language), path)
    if path != STANDARD_OUTPUT:
        say(sla.told(report, language))
    for gap in _gaps(spec, report):
        complain(gap)
    if send:
        archive = _archive(spec)
        kept = archive.keep(report, [form], language, time.time())
        _show(sla.send_archived(spec, archive, kept, send))
    raise typer.Exit(report.exit_code)


@sla_app.command("list")
@takes_spec_first
def sla_list(spec: Spec, as_json: AsJson = False) -> None:
    """List the reports that were made on schedule or sent, latest first."""
    print_rows("reports", [_listed(entry) for entry in _archive(spec).list()], as_json)


@sla_app.command("resend")
@takes_spec
def sla_resend(
    spec: Spec,
    report: Annotated[str, typer.Argument(help="The report's id in the list.")],
    to: Annotated[list[str], typer.Option(metavar="WHO", help="A receiver or mail address; repeatable.")],
    as_json: AsJson = False,
) -> None:
    """Send an archived report again, unchanged; exit 4 if a receiver did not get it."""
    from bascule import sla

    archive = _archive(spec)
    again = datetime.now(UTC).isoformat()
    deliveries = sla.send_archived(spec, archive, archive.get(report), to, again=again)
    if as_json:
        print_json([asdict(each) for each in deliveries])
    _show(deliveries)


@sla_app.command("freeze")
@takes_spec_first
def sla_freeze(
    spec: Spec, start: From = "now-30d", end: To = "now", prometheus: PrometheusUrl = None, as_json: AsJson = False
) -> None:
    """Store V1's figures of a span, so that gains can still be measured after V1 is removed."""
    from bascule import sla

    spec = with_external(spec, prometheus=prometheus)
    frozen = sla.freeze_baseline(spec, _prometheus(spec), *parse_span(start, end))
    frozen.write(spec.stack.state / sla.BASELINE_FILE)
    if as_json:
        start, end = times.rfc3339(frozen.start), times.rfc3339(frozen.end)
        print_json({"version": frozen.version, "start": start, "end": end})
    else:
        say(f"{frozen.version} is frozen: {_span(frozen.start, frozen.end)}")


def _prometheus(spec: Spec) -> Prometheus:
    """The server that a report is made of. Raises Unreachable within ANSWER_SECONDS when it does not answer at all."""
    greeting = prometheus_of(spec, ANSWER_SECONDS)
    try:
        greeting.scalar("time()")
    except Unreachable as error:
        missing = f"no data for {', '.join(spec.slas.named) or 'any SLA'}"
        raise Unreachable(f"{missing}: {error.what}", error.fix) from error
    finally:
        greeting.close()
    return prometheus_of(spec, TIMEOUT, within=ALL_SECONDS)


def _archive(spec: Spec) -> Archive:
    from bascule import sla

    return sla.Archive(spec.stack.state / sla.ARCHIVE_FOLDER)


def _listed(entry: Archived) -> dict[str, Any]:
    return {
        "id": entry.id,
        "about": _span(entry.start, entry.end),
        "made": times.moment(entry.made),
        "result": entry.said or entry.outcome,
        "language": entry.language,
        "forms": " ".join(entry.files),
    }


def _span(start: float, end: float) -> str:
    return f"{times.dated(start)} to {times.dated(end)}"


def _file_name(spec: Spec, start: float, end: float, form: str) -> Path:
    """`sla-shop-2026-01-01-2026-01-31.html`, in the folder where the command runs."""
    ending = {form: short for short, form in SHORT_FORMS.items()}.get(form, form)
    return Path(f"sla-{spec.metadata.name}-{times.dated(start)[:10]}-{times.dated(end)[:10]}.{ending}")


def _write(content: bytes, path: Path) -> None:
    if path == STANDARD_OUTPUT:
        sys.stdout.buffer.write(content)
        return
    write_file(path, content, "give another --out")
    say(f"wrote {path}")


def _gaps(spec: Spec, report: Report) -> Iterator[str]:
    """What the report has no answer for, by name."""
    from bascule.sla import SlaOutcome

    declared = ", ".join(spec.slas.named)
    if not declared:
        yield "no SLA is declared\n  declare some under 'slas' of the spec"
        return
    yield from (f"{name!r} is not an objective of the spec\n  declared are: {declared}" for name in report.missing)
    for objective in report.objectives:
        if objective.outcome is SlaOutcome.NO_DATA:
            yield f"{objective.name}: {no_data(objective.cause)}, {_span(report.start, report.end)}"
            yield from objective.unproven


def _show(deliveries: Sequence[Delivery]) -> None:
    """The result of each delivery, on standard error: the report may be on standard output.

    Raises Unreachable when one failed.
    """
    for each in deliveries:
        reason = f" ({each.detail})" if each.detail else ""
        err.print(f"{each.receiver}: {each.result}{reason}", markup=False, highlight=False, soft_wrap=True)
    lost = [each.receiver for each in deliveries if each.result != "delivered"]
    if lost:
        raise Unreachable(f"the report did not reach {', '.join(lost)}", "fix that, then run `bascule sla resend`")
