"""Commands about incidents, the plan's steps and SLA reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from bascule.cli.output import AsJson, From, PrometheusUrl, SpecPath, To, app, parse_span, print_json, print_rows, say
from bascule.cli.running import with_external
from bascule.errors import Unreachable, UsageError
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load

sla_app = typer.Typer(no_args_is_help=True, help="SLA reports.")
phase_app = typer.Typer(no_args_is_help=True, help="The plan's present step: who moved it, and why.")
app.add_typer(sla_app, name="sla")
app.add_typer(phase_app, name="phase")


@app.command()
def incidents(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """What Alertmanager delivered: open and resolved incidents."""
    known = _ask(load(spec), "GET", "/api/incidents")
    shown = ("id", "status", "severity", "alert", "summary")
    rows = known if as_json else [{key: incident[key] for key in shown} for incident in known]
    print_rows("incidents", rows, as_json)


@phase_app.command("show")
def phase_show(spec: SpecPath = "supersmartmatch") -> None:
    """The present step of the plan."""
    print_json(_ask(load(spec), "GET", "/api/phase"))


@phase_app.command("set")
def phase_set(
    number: Annotated[int, typer.Argument(help="0 for none of the candidate, else the phase's number.")],
    who: Annotated[str, typer.Option(help="Who decides.")],
    why: Annotated[str, typer.Option(help="Why.")],
    spec: Annotated[str, typer.Option("--spec", help="A spec file.")] = "supersmartmatch",
) -> None:
    """Record the plan's next step, who decided it and why."""
    loaded = load(spec)
    if not 0 <= number <= len(loaded.phases):
        raise UsageError(f"there is no phase {number}", f"phases are 0 to {len(loaded.phases)}")
    share = loaded.phases[number - 1].share if number else 0.0
    print_json(_ask(loaded, "POST", "/api/phase", json={"number": number, "share": share, "who": who, "why": why}))


@sla_app.command("report")
def sla_report(
    spec: SpecPath,
    start: From = "now-30d",
    end: To = "now",
    form: Annotated[str, typer.Option("--format", help="html or json.")] = "html",
    path: Annotated[Path | None, typer.Option("--out", help="The file to write; standard output without it.")] = None,
    prometheus: PrometheusUrl = None,
) -> None:
    """The SLA report; exit 1 if an SLA is breached, 4 if one has no data."""
    from bascule import sla

    renderers = {"html": sla.render_html, "json": sla.render_json}
    if form not in renderers:
        raise UsageError(f"{form!r} is not a format", f"formats are {', '.join(renderers)}")
    loaded = with_external(load(spec), prometheus=prometheus)
    first, last = parse_span(start, end)
    report = sla.evaluate(loaded, Prometheus(loaded.stack.url("prometheus")), first, last)
    text = renderers[form](report)
    if path is None:
        print(text)
    else:
        path.write_text(text, "utf-8")
        say(f"wrote {path}")
    raise typer.Exit(report.exit_code)


def _ask(spec: Spec, method: str, path: str, **arguments: Any) -> Any:
    """The incidents role's answer."""
    url = spec.stack.url("incidents")
    try:
        response = httpx.request(method, url + path, timeout=5, trust_env=False, **arguments)
    except httpx.HTTPError as error:
        raise Unreachable(f"the incidents role at {url} does not answer", "start it with `bascule up`") from error
    if response.status_code >= 400:
        raise UsageError(f"the incidents role answered {response.status_code}: {response.text}")
    return response.json()
