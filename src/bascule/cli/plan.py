"""Commands that move the plan: a command per move, and the step that is set by its number underneath."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule import times
from bascule.cli.beside import say_missing_jobs
from bascule.cli.options import AsJson, From, Who, Why, parse_time
from bascule.cli.output import app, print_json, print_rows, say
from bascule.cli.people import journal
from bascule.cli.spec_option import takes_spec, takes_spec_first
from bascule.conventions import MOVING
from bascule.errors import UsageError
from bascule.spec import Spec
from bascule.units import number_text

if TYPE_CHECKING:
    from bascule.api.models.made import Made
    from bascule.api.models.moves import PlanAnswer

phase_app = typer.Typer(no_args_is_help=True, help="Show or set the current step of the plan.")
app.add_typer(phase_app, name="phase")

ForcedReason = Annotated[str, typer.Option("--why", help="Why; required with --force.")]
Force = Annotated[
    bool, typer.Option("--force", metavar="", help="Move even if the verdict does not allow it; needs --why.")
]


@app.command()
@takes_spec_first
def start(spec: Spec, who: Who, why: ForcedReason = "", force: Force = False, as_json: AsJson = False) -> None:
    """Start the plan at its first step. Needs recent data from V1."""
    _move(spec, "start", who, why, as_json, force)
    if not as_json:
        say_missing_jobs(spec)


@app.command()
@takes_spec_first
def promote(spec: Spec, who: Who, why: ForcedReason = "", force: Force = False, as_json: AsJson = False) -> None:
    """Go one step forward. Needs the verdict promote for the current step."""
    _move(spec, "promote", who, why, as_json, force)


# Moves without --force: they need no verdict.
MOVES = {
    "rollback": "Send all traffic back to V1; the plan restarts at its first step. Never refused.",
    "pause": "Keep the current share: no step forward until `bascule resume`. Alerts still fire.",
    "resume": "End a pause.",
    "abort": "Roll back and close the plan: only `bascule start` opens it again. Never refused.",
}


def _add_move(name: str, what: str) -> None:
    @app.command(name, help=what)
    @takes_spec_first
    def move(spec: Spec, who: Who, why: Why = "", as_json: AsJson = False) -> None:
        _move(spec, name, who, why, as_json)


for _name, _what in MOVES.items():
    _add_move(_name, _what)


def _move(spec: Spec, name: str, who: str, why: str, as_json: bool, force: bool | None = None) -> None:
    from bascule.api.models.moves import PlanMove

    _print_plan(spec, journal(spec).move(PlanMove(name), who, why, force), as_json)


@phase_app.command("show")
@takes_spec_first
def phase_show(spec: Spec, as_json: AsJson = False) -> None:
    """Show the current step of the plan."""
    _print_plan(spec, journal(spec).phase(), as_json)


@phase_app.command("log")
@takes_spec_first
def phase_log(spec: Spec, since: From = "now-7d", as_json: AsJson = False) -> None:
    """List who moved the share or paused the plan, when, why, and on which verdict."""
    from bascule.api.models.made import made

    told = [each for each in journal(spec).timeline(parse_time(since)) if each.kind in MOVING]
    if as_json:
        print_json([each.model_dump(mode="json") for each in told])
        return
    print_rows("moves", [_moved(each) for each in made(told)], False)


def _moved(told: Made) -> dict[str, Any]:
    entry = told.entry
    share = "" if entry.share is None else f": {number_text(entry.share * 100)} %"
    what = entry.kind if entry.number is None else f"phase {entry.number}{share}"
    return {"at": entry.at, "who": entry.who, "move": what, "why": entry.why or entry.text, "verdict": told.verdict}


@phase_app.command("set")
@takes_spec
def phase_set(
    spec: Spec,
    number: Annotated[int, typer.Argument(help="The step's number; 0 sends all traffic to V1.")],
    who: Who,
    why: Why,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Set a step of the plan by its number. A step forward has the same conditions as promote or start."""
    if not 0 <= number <= len(spec.phases):
        raise UsageError(f"there is no phase {number}", f"phases are 0 to {len(spec.phases)}")
    _print_plan(spec, journal(spec).set_phase(number, who, why, force=force), as_json)


def _print_plan(spec: Spec, plan: PlanAnswer, as_json: bool) -> None:
    if as_json:
        print_json(plan.model_dump(mode="json"))
        return
    step = f"phase {plan.number} of {len(spec.phases)}" if plan.number else "before the first phase"
    planned = f"{number_text(plan.share * 100)} % to {spec.versions.candidate}"
    say(f"{step}: {planned}, since {times.dated(plan.started.timestamp())} ({_by(plan.who, plan.why)})")
    if plan.paused is not None:
        since = times.dated(plan.paused.at.timestamp())
        say(f"paused since {since} ({_by(plan.paused.who, plan.paused.why)}); `bascule resume` ends it")
    if plan.closed:
        say("the plan was aborted; `bascule start` starts it again")


def _by(who: str, why: str) -> str:
    return f"{who}: {why}" if why else who
