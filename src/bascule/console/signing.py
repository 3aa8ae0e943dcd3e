"""Coming in to the console by the address that works once, by name and password, and going out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from bascule.api.guard import Door, source_of
from bascule.api.limits import Refused
from bascule.api.models import fields
from bascule.api.rights import Lane, Need, Right, needs
from bascule.api.tokens import SESSION_SECONDS, Session
from bascule.console.render import Renderer
from bascule.console.stream import GoesOn
from bascule.console.viewer import NOBODY, Viewer


class SignInForm(fields.Request):
    user: fields.Who
    password: str = Field(min_length=1, max_length=500)


class SignedIn(fields.Answer):
    user: str
    seat: str


class Reception:
    """Knows the viewer of a request."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def viewer(self, request: Request) -> Viewer:
        cookie, session = self.door.come_in(request.headers, source_of(request.scope))
        return Viewer(session, self.door.tokens.page_token(cookie)) if session else NOBODY

    def may_read(self, request: Request) -> bool:
        """Whether the request would be let in to read now."""
        try:
            self.door.check(request.scope, request.headers, Need(Right.READ))
        except Refused:
            return False
        return True

    def seat(self, request: Request, answer: Response, session: Session) -> None:
        """Give the browser a cookie for a week; one that came over TLS never leaves without it."""
        cookie, age = self.door.tokens.cookie(session), int(SESSION_SECONDS)
        answer.set_cookie(
            self.door.cookie,
            cookie,
            max_age=age,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )


async def viewer_of(request: Request) -> Viewer:
    """On the event loop, as the guard's reading of the same files: a thread for each viewer would keep its memory."""
    reception: Reception = request.app.state.reception
    return reception.viewer(request)


Someone = Annotated[Viewer, Depends(viewer_of)]


async def staying_of(request: Request, viewer: Someone) -> GoesOn:
    """A stream outlives what let it in: it goes on while the same request would be let in as the same viewer."""
    reception: Reception = request.app.state.reception
    return lambda: reception.may_read(request) and reception.viewer(request) == viewer


Staying = Annotated[GoesOn, Depends(staying_of)]


def add_signing(app: FastAPI, reception: Reception, renderer: Renderer) -> None:
    app.state.reception = reception
    door = reception.door
    users = door.users

    @app.get("/enter", response_class=RedirectResponse, **needs(Right.OPEN))
    def enter(request: Request, token: Annotated[str, Query(max_length=200)]) -> RedirectResponse:
        """The address that `up` prints: its token, good once, is exchanged for an operator's cookie."""
        session = door.tokens.redeem(token)
        answer = RedirectResponse("/" if session else "/sign-in?used=1", 303)
        if session:
            reception.seat(request, answer, session)
        return answer

    @app.get("/sign-in", response_class=HTMLResponse, **needs(Right.OPEN))
    def page(viewer: Someone, used: bool = False) -> HTMLResponse:
        """`used`: a printed address led here, which opens nothing any more."""
        return HTMLResponse(renderer.sign_in(viewer, bool(users.all()), used))

    @app.post("/sign-in", **needs(Right.OPEN, 4096, lane=Lane.CHANGING))
    def sign_in(request: Request, given: SignInForm, answer: Response) -> SignedIn:
        session = users.sign_in(given.user, given.password)
        reception.seat(request, answer, session)
        return SignedIn(user=session.user, seat=session.seat)

    @app.post("/sign-out", **needs(Right.OPEN, 4096))
    def sign_out(request: Request, answer: Response) -> SignedIn:
        """The session ends, also for who has a copy of its cookie."""
        door.sign_out(request.headers)
        answer.delete_cookie(door.cookie)
        return SignedIn(user="", seat="")
