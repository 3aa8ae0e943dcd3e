"""Commands about incidents, the plan's steps and SLA reports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer

from bascule.cli.output import (
    AsJson,
    From,
    PrometheusUrl,
    SpecPath,
    To,
    app,
    parse_span,
    print_json,
    print_rows,
    say,
    write_file,
)
from bascule.cli.running import with_external
from bascule.conventions import SEGMENT
from bascule.errors import Unreachable, UsageError
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load

T = TypeVar("T")
ABOUT = ("job", "instance", "signal", SEGMENT, "gate")
sla_app = typer.Typer(no_args_is_help=True, help="SLA reports.")
phase_app = typer.Typer(no_args_is_help=True, help="The plan's present step: who moved it, and why.")
app.add_typer(sla_app, name="sla")
app.add_typer(phase_app, name="phase")


@app.command()
def incidents(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """What Alertmanager delivered: open and resolved incidents."""
    known = _ask(load(spec), "GET", "/api/incidents", list)
    print_rows("incidents", known if as_json else [_incident(each) for each in known], as_json)


def _incident(known: dict[str, Any]) -> dict[str, Any]:
    """What a reader needs to tell incidents apart, with what they are about."""
    about = {name: known["labels"].get(name) for name in ABOUT}
    return {
        "id": known["id"],
        "status": known["status"],
        "severity": known["severity"],
        "alert": known["alert"],
        "about": " ".join(value for value in about.values() if value),
        "summary": known["summary"],
    }


@phase_app.command("show")
def phase_show(spec: SpecPath = "supersmartmatch", as_json: AsJson = False) -> None:
    """The present step of the plan."""
    loaded = load(spec)
    _print_phase(loaded, _ask(loaded, "GET", "/api/phase", dict), as_json)


@phase_app.command("set")
def phase_set(
    number: Annotated[int, typer.Argument(help="0 for none of the candidate, else the phase's number.")],
    who: Annotated[str, typer.Option(help="Who decides.")],
    why: Annotated[str, typer.Option(help="Why.")],
    spec: Annotated[str, typer.Option("--spec", help="A spec file.")] = "supersmartmatch",
    as_json: AsJson = False,
) -> None:
    """Record the plan's next step, who decided it and why."""
    loaded = load(spec)
    if not 0 <= number <= len(loaded.phases):
        raise UsageError(f"there is no phase {number}", f"phases are 0 to {len(loaded.phases)}")
    share = loaded.phases[number - 1].share if number else 0.0
    step = {"number": number, "share": share, "who": who, "why": why}
    _print_phase(loaded, _ask(loaded, "POST", "/api/phase", dict, json=step), as_json)


def _print_phase(spec: Spec, phase: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(phase)
        return
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(phase["started"]))
    step = f"phase {phase['number']} of {len(spec.phases)}" if phase["number"] else "before the first phase"
    planned = f"{phase['share'] * 100:.3g} % to {spec.versions.candidate}"
    say(f"{step}: {planned}, since {since} ({phase['who']}: {phase['why']})")


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
        say(text)
    else:
        write_file(path, text, "give another --out")
        say(f"wrote {path}")
    raise typer.Exit(report.exit_code)


def _ask(spec: Spec, method: str, path: str, kind: type[T], **arguments: Any) -> T:
    """The incidents role's answer, of the kind it gives there."""
    url = spec.stack.url("incidents")
    try:
        response = httpx.request(method, url + path, timeout=5, trust_env=False, **arguments)
    except httpx.HTTPError as error:
        raise Unreachable(f"the incidents role at {url} does not answer", "start it with `bascule up`") from error
    if 400 <= response.status_code < 500:
        raise UsageError(f"the incidents role answered {response.status_code}: {response.text}")
    answer = _json_of(response)
    if response.status_code != 200 or not isinstance(answer, kind):
        what = f"what answers at {url} is not the incidents role (status {response.status_code})"
        raise Unreachable(what, "stop what holds its port, or change stack.ports.incidents in the spec")
    return answer


def _json_of(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
