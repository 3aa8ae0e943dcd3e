"""Commands about SLA reports."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.output import From, PrometheusUrl, SpecPath, To, app, parse_span, print_rows, say, write_file
from bascule.cli.running import with_external
from bascule.errors import UsageError
from bascule.prometheus import Prometheus
from bascule.spec import load

sla_app = typer.Typer(no_args_is_help=True, help="SLA reports.")
app.add_typer(sla_app, name="sla")


@sla_app.command("report")
def sla_report(
    spec: SpecPath,
    start: From = "now-30d",
    end: To = "now",
    form: Annotated[str, typer.Option("--format", help="html, pdf, markdown, csv or json.")] = "html",
    path: Annotated[Path | None, typer.Option("--out", help="The file to write; standard output without it.")] = None,
    language: Annotated[str, typer.Option(help="en or fr.")] = "en",
    send: Annotated[list[str] | None, typer.Option(help="A receiver or mail address; may stand again.")] = None,
    prometheus: PrometheusUrl = None,
) -> None:
    """The SLA report; exit 1 if an SLA is breached, 4 if one has no data."""
    from bascule import sla

    if form not in sla.FORMATS:
        raise UsageError(f"{form!r} is not a format", f"formats are {', '.join(sla.FORMATS)}")
    if language not in ("en", "fr"):
        raise UsageError(f"{language!r} is not a language of reports", "languages are en and fr")
    loaded = with_external(load(spec), prometheus=prometheus)
    first, last = parse_span(start, end)
    report = sla.evaluate(loaded, Prometheus(loaded.stack.url("prometheus")), first, last)
    _write(sla.render(report, form, language), path)
    if send:
        archive = sla.Archive(loaded.stack.state / sla.ARCHIVE_FOLDER)
        kept = archive.keep(report, [form], language, time.time())
        deliveries = sla.send_archived(loaded, archive, kept, send)
        print_rows("deliveries", [vars(delivery) for delivery in deliveries], False)
    raise typer.Exit(report.exit_code)


def _write(content: bytes, path: Path | None) -> None:
    if path is None:
        sys.stdout.buffer.write(content)
        return
    write_file(path, content, "give another --out")
    say(f"wrote {path}")
