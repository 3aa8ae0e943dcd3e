"""Every command against a house that runs, and every page: what a person reads, to be read by a test."""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

import httpx
import typer
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.routing import APIRoute
from typer.testing import CliRunner

from bascule.checklist import ChecklistPhase
from bascule.cli.commands import app
from bascule.console.app import create_app
from bascule.console.runbooks import Runbooks
from bascule.spec import Spec

WHO = ("--who", "amélie")
# In this order: an incident is acknowledged before it is closed. SPEC, LOG and OUT are filled in.
COMMANDS = (
    "check SPEC",
    "check SPEC --prometheus PROMETHEUS",
    "doctor SPEC",
    "status SPEC",
    "generate SPEC --out OUT/generated",
    "generate SPEC --verify PROMETHEUS --out OUT/generated",
    "merge SPEC --prometheus-config OUT/generated/prometheus/prometheus.yml --out OUT/merged",
    "init OUT/found.yaml --from-prometheus PROMETHEUS",
    "coverage SPEC",
    "checklist SPEC",
    "gate",
    "compare",
    "backtest --from now-1m --to now --suggest",
    "phase show",
    "phase log",
    "targets",
    "pause WHO --why looking",
    "resume WHO",
    "phase set 3 WHO --why again --force",
    "promote WHO",
    "start WHO",
    "incidents list",
    "incidents ack 1 WHO",
    "incidents note 1 seen WHO",
    "incidents show 1",
    "incidents export 1",
    "incidents close 1 WHO --why seen",
    "incidents reopen 1 WHO --why again",
    "maintenance add cleaning --from now-1m --to now WHO",
    "maintenance list",
    "maintenance end 1 WHO",
    "notify owed",
    "notify test WHO",
    "logs search match --limit 5",
    "logs stats",
    "logs try LOG",
    "logs ingest LOG",
    "logs forget u_5b1f9c0e",
    "sla report --from now-1m --to now --format markdown --out -",
    "sla report --from now-1m --to now --format markdown --language fr --out -",
    "sla report --from now-1m --to now --format csv --out -",
    "sla list",
    "sla resend 1 --to nobody",
    "sla freeze --from now-1m --to now",
    "users set bob --password correct-horse-battery",
    "users list",
    "users address",
    "users remove bob",
    "rollback WHO --why errors",
    "abort WHO --why errors",
    "judge forget --before now-1m WHO --why tried",
)
# These run until they are stopped, or start and stop a house; schema prints JSON.
NOT_WALKED = {"up", "down", "serve", "demo", "drill", "schema"}
# What the parameters of pages are filled with; a page with another one is not walked, which a test refuses.
FILLED = {
    "identity": ["1"],
    "signal": ["errors"],
    "segment": ["freemium"],
    "lang": ["en", "fr"],
    "page": list(Runbooks().pages),
    "name": ["executive", "technical", "business"],
    "phase": [phase.value for phase in ChecklistPhase],
}
READ = (HTMLResponse, PlainTextResponse)


def not_walked() -> set[str]:
    """The commands that no line of COMMANDS runs."""
    walked = {" ".join(line.split()[:2]) for line in COMMANDS} | {line.split()[0] for line in COMMANDS}
    return {name for name in names() if name not in walked}


def names() -> list[str]:
    """Every command there is: `check`, `sla report`, …"""
    return _names(typer.main.get_command(app), "")


def _names(command: object, prefix: str) -> list[str]:
    group = getattr(command, "commands", None)
    if group is None:
        return [prefix.strip()]
    return [name for key, child in group.items() for name in _names(child, f"{prefix} {key}")]


def commands(spec: Spec, log: Path, out: Path) -> Iterator[tuple[str, str]]:
    """Each command with all that it printed."""
    places = {"SPEC": [spec.source], "LOG": [str(log)], "PROMETHEUS": [spec.stack.url("prometheus")], "WHO": WHO}
    for line in (*(f"{name} --help" for name in names()), *COMMANDS):
        words = [part for word in line.replace("OUT", str(out)).split() for part in places.get(word, [word])]
        yield line, printed(spec, *words)


def printed(spec: Spec, *words: str) -> str:
    """What a command prints, and says when it fails."""
    with mock.patch.dict(os.environ, {"BASCULE_SPEC": spec.source, "COLUMNS": "160", "NO_COLOR": "1"}):
        result = CliRunner().invoke(app, list(words))
    return f"{result.output}{result.exception if result.exit_code == 1 and result.exception else ''}"


def pages(spec: Spec) -> Iterator[tuple[str, str]]:
    """Each page of the console as its HTML."""
    for address in addresses(spec):
        answer = httpx.get(spec.stack.url("console") + address, timeout=10, trust_env=False)
        assert answer.status_code == 200, f"{address}: {answer.text}"
        yield address, answer.text


def addresses(spec: Spec) -> Iterator[str]:
    """Every page that the console has a route for, with each value of its parameters."""
    for route in create_app(spec).routes:
        if isinstance(route, APIRoute) and "GET" in route.methods and route.response_class in READ:
            yield from _filled(route)


def _filled(route: APIRoute) -> Iterator[str]:
    """KeyError for a parameter that FILLED does not know."""
    asked = [
        each.alias for each in route.dependant.query_params if each.field_info.is_required() or each.alias in FILLED
    ]
    names = [each.alias for each in route.dependant.path_params]
    for values in product(*(FILLED[name] for name in [*names, *asked])):
        path = route.path.format(**dict(zip(names, values, strict=False)))
        query = urlencode(dict(zip(asked, values[len(names) :], strict=True)))
        yield f"{path}?{query}" if query else path
