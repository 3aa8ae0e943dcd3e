"""The addresses of the checklist and of the drills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, HTTPException, Path, Response
from fastapi.responses import HTMLResponse

from bascule.api.rights import Right, needs
from bascule.console.acting import Act, Done, acted_by
from bascule.console.proving.checks import Checklists
from bascule.console.proving.drills import Drills
from bascule.console.render import Renderer
from bascule.console.signing import Someone
from bascule.spec import Spec

if TYPE_CHECKING:
    from bascule.checklist import ChecklistPhase

Key = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]


FIRST = "pre-deployment"


def phase_named(name: str) -> ChecklistPhase:
    """Raises HTTPException."""
    from bascule.checklist import ChecklistPhase

    try:
        return ChecklistPhase(name)
    except ValueError as error:
        raise HTTPException(400, f"{name[:80]!r} is not a phase; give {', '.join(ChecklistPhase)}") from error


class Proving:
    def __init__(self, spec: Spec) -> None:
        self.checks, self.drills = Checklists(spec), Drills(spec)


def add_proving(app: FastAPI, proving: Proving, renderer: Renderer) -> None:
    _add_checklist(app, proving.checks, renderer)
    _add_drills(app, proving.drills, renderer)


def _add_checklist(app: FastAPI, checks: Checklists, renderer: Renderer) -> None:
    @app.get("/checklist", response_class=HTMLResponse)
    def checklist(viewer: Someone, phase: str = FIRST) -> HTMLResponse:
        chosen = phase_named(phase)
        values = {"view": checks.view(chosen), "phases": list(type(chosen)), "here": "Checklist"}
        return HTMLResponse(renderer.whole("checklist.html", viewer, **values))

    @app.get("/checklist/now", response_class=HTMLResponse)
    def checklist_now(viewer: Someone, phase: str = FIRST) -> HTMLResponse:
        return HTMLResponse(renderer.part("_checklist.html", view=checks.view(phase_named(phase)), viewer=viewer))

    @app.post("/act/checklist/{phase}/run", **needs(Right.ACT))
    def run(phase: str, asked: Act) -> Done:
        checks.start(phase_named(phase))
        return Done()

    @app.post("/act/checklist/{item}/sign", **needs(Right.ACT))
    def sign(item: Key, asked: Act, viewer: Someone) -> Done:
        checks.sign(item, acted_by(asked, viewer), asked.why)
        return Done()


def _add_drills(app: FastAPI, drills: Drills, renderer: Renderer) -> None:
    @app.get("/drills", response_class=HTMLResponse)
    def page(viewer: Someone) -> HTMLResponse:
        return HTMLResponse(renderer.whole("drills.html", viewer, view=drills.view(), here="Drills"))

    @app.get("/drills/now", response_class=HTMLResponse)
    def now(viewer: Someone) -> HTMLResponse:
        return HTMLResponse(renderer.part("_drills.html", view=drills.view(), viewer=viewer))

    @app.get("/drills/picture")
    def picture(name: str) -> Response:
        found = drills.picture(name)
        if found is None:
            raise HTTPException(404, "not a picture of a drill; /drills lists them")
        return Response(found.read_bytes(), media_type="image/svg+xml")

    @app.post("/act/drills/{fault}/start", **needs(Right.ACT))
    def start(fault: Key, asked: Act) -> Done:
        drills.start(fault)
        return Done()

    @app.post("/act/drills/stop", **needs(Right.ACT))
    def stop(asked: Act) -> Done:
        drills.stop()
        return Done()
