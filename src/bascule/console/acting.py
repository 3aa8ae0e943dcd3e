"""What an operator does from the console: each act is the journal's own, asked with who does it and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import Field

from bascule.api.client import IncidentsClient, SlaClient
from bascule.api.models import fields
from bascule.api.models.fields import LARGEST_ID
from bascule.api.models.moves import PlanMove
from bascule.api.rights import Right, needs
from bascule.console.signing import Someone
from bascule.console.viewer import Viewer
from bascule.errors import QueryRejected, UsageError

Identity = Annotated[int, Path(ge=1, le=LARGEST_ID)]


class Act(fields.Request):
    """`who` counts where nobody has signed in by name; `force`: forward against the verdict."""

    who: Annotated[fields.Line, Field(max_length=200)] = ""
    why: fields.Prose = ""
    force: bool | None = None


class Done(fields.Answer):
    done: bool = True


def add_acts(app: FastAPI, journal: IncidentsClient, archive: SlaClient) -> None:
    _add_moves(app, journal)
    _add_incidents(app, journal)

    @app.post("/act/reports/{identity}/send", **needs(Right.ACT))
    def send(identity: Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,200}$")], asked: Act, viewer: Someone) -> Done:
        """`why` names whom it is sent to."""
        to = [name for name in asked.why.replace(",", " ").split() if name]
        failed = [each for each in archive.send(identity, to, acted_by(asked, viewer)) if each.result != "delivered"]
        if failed:
            told = "; ".join(f"{each.receiver}: {each.result}, {each.detail}" for each in failed)
            raise QueryRejected(f"the report was not delivered: {told}", "correct the receiver, then send it again")
        return Done()


def _add_moves(app: FastAPI, journal: IncidentsClient) -> None:
    @app.post("/act/plan/{move}", **needs(Right.ACT))
    def move_plan(move: PlanMove, asked: Act, viewer: Someone) -> Done:
        journal.move(move, acted_by(asked, viewer), asked.why, asked.force)
        return Done()


def _add_incidents(app: FastAPI, journal: IncidentsClient) -> None:
    @app.post("/act/incidents/{identity}/notes", **needs(Right.ACT))
    def note(identity: Identity, asked: Act, viewer: Someone) -> Done:
        journal.note(identity, asked.why, acted_by(asked, viewer))
        return Done()

    _add_act(app, "acknowledge", journal.acknowledge)
    _add_act(app, "close", journal.close_incident)
    _add_act(app, "reopen", journal.reopen_incident)


def _add_act(app: FastAPI, name: str, act: Callable[[int, str, str], object]) -> None:
    @app.post(f"/act/incidents/{{identity}}/{name}", **needs(Right.ACT))
    def on_incident(identity: Identity, asked: Act, viewer: Someone) -> Done:
        act(identity, acted_by(asked, viewer), asked.why)
        return Done()


def acted_by(asked: Act, viewer: Viewer) -> str:
    """The name that was signed in with, which nobody can choose; else the one that was typed."""
    who = viewer.user or asked.who
    if not who:
        raise UsageError("no name is given", "give your name in 'who', or sign in")
    return who
