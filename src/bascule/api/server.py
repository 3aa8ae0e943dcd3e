"""One factory for the application of every role: guarded, bounded, with health, metrics and an OpenAPI document."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException

from bascule.api.guard import Door, Guard
from bascule.api.limits import Limits, Refusals
from bascule.api.models.others import Health, Refusal
from bascule.api.proof import PATH, ListenerProof, Nonce
from bascule.api.rights import Right, needs
from bascule.api.serving import Beyond, serve_until
from bascule.api.work import ReadinessTold, WorkTold
from bascule.errors import BasculeError, NotAllowed, StoreError, StoreFull
from bascule.processes.workers import Workers
from bascule.spec import Spec
from bascule.spec.listening import Tls
from bascule.spec.model import Stack

Ready = Callable[[], Sequence[str]]


def application(
    spec: Spec,
    role: str,
    registry: CollectorRegistry,
    ready: Ready = tuple,
    limits: Limits | None = None,
    work: Sequence[Workers] = (),
    **more: Any,
) -> FastAPI:
    """A role's application, without its own routes; `more` goes to FastAPI.

    `ready`: what keeps the role from doing its work, in sentences; nothing when it can. `work`: what it does in the
    background, whose deaths are counted and told.
    """

    def problems() -> list[str]:
        return [*ready(), *told.problems()]

    told = WorkTold(work)
    registry.register(told)
    app = FastAPI(title=f"Bascule {role}", docs_url=None, redoc_url=None, responses={"4XX": {"model": Refusal}}, **more)
    app.state.limits, app.state.refusals = limits or Limits(), Refusals(registry)
    door = Door(spec, role)
    app.add_middleware(Guard, door=door, refusals=app.state.refusals)
    _add_errors(app)
    _add_proof(app, door)
    registry.register(ReadinessTold(problems))
    _add_pages(app, registry, problems)
    return app


def serve(stop: threading.Event, app: FastAPI, spec: Spec, role: str) -> None:
    """Serve a role at its address until `stop` is set; its secrets are made where they are missing."""
    Door(spec, role).tokens.ensure()
    stack = spec.stack
    serve_until(stop, app, stack.inside, getattr(stack.ports, role), _beyond(stack, role))


def _beyond(stack: Stack, role: str) -> Beyond | None:
    """Where other machines reach the role. Raises UsageError for a certificate that cannot be used."""
    if not stack.is_beyond:
        return None
    return Beyond(stack.listen, stack.tls.context(f"the {role} role") if isinstance(stack.tls, Tls) else None)


def _add_pages(app: FastAPI, registry: CollectorRegistry, ready: Ready) -> None:
    @app.get("/metrics", **needs(Right.OPEN))
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz", **needs(Right.OPEN))
    @app.get("/health", include_in_schema=False, **needs(Right.OPEN))
    async def health() -> Health:
        """The process answers."""
        return Health(status="ok")

    @app.get("/readyz", responses={503: {"model": Health}}, **needs(Right.OPEN))
    def readiness(response: Response) -> Health:
        """The role does its work, or why it does not."""
        problems = list(ready())
        response.status_code = 503 if problems else 200
        return Health(status="not ready" if problems else "ok", problems=problems)


def _add_proof(app: FastAPI, door: Door) -> None:
    @app.get(PATH, **needs(Right.OPEN))
    async def proof(request: Request, nonce: Nonce) -> ListenerProof:
        """This is the role, and it knows the operator's token: asked for before the token is sent."""
        return door.proof(request.scope, request.headers, nonce)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(BasculeError)
    def failed(request: Request, error: BasculeError) -> JSONResponse:
        return _refusal(_status_of(error), error.what, error.fix)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        told = [_malformed(each) for each in error.errors()[:5]]
        return _refusal(400, "; ".join(told), "docs/api.md and /openapi.json list what each field may be")

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> JSONResponse:
        return _refusal(error.status_code, str(error.detail), "", dict(error.headers or {}))


_CHOICES = re.compile(r"\^\(([\w|-]+)\)\$")


def _malformed(error: Mapping[str, Any]) -> str:
    """What is wrong with one field; where it is one of a few words, these."""
    field = ".".join(map(str, error["loc"][1:])) or "the body"
    choices = _CHOICES.fullmatch(str(error.get("ctx", {}).get("pattern", "")))
    if choices is None:
        return f"{field}: {error['msg']}"
    return f"{field} is {str(error['input'])[:80]!r}; give one of {', '.join(filter(None, choices[1].split('|')))}"


def _refusal(status: int, error: str, fix: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "fix": fix}, status, headers)


def _status_of(error: BasculeError) -> int:
    if isinstance(error, StoreError):
        return 507 if isinstance(error, StoreFull) else 503  # Alertmanager tries again on 5xx
    if isinstance(error, NotAllowed):
        return 403
    return 502 if error.can_retry else 400
