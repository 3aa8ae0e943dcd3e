"""What every request passes before a route sees it.

1. the head: no larger than we take, and a body of one length
2. the Host: a name of this machine, so that no page of another site reaches us by pointing its own name here
3. the Origin, where a browser tells one: our own
4. the right that the route needs
5. the migration that the client means, where it tells one
6. the body: JSON, no larger than the route takes, and here in time; of what no route takes it is not read
7. a turn, so that slow requests leave threads for the others
8. a client that still waits: what its sender gave up while this role hung, or while it waited, is not done

A connection on which a body may still come that nobody reads is closed after the answer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterator
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bascule.api.client import other_migration
from bascule.api.identity import HEADER, Identity
from bascule.api.limits import Limits, Refusals, Refused
from bascule.api.proof import ListenerProof, address_of, proof_of
from bascule.api.proxied import TrustedProxy
from bascule.api.rights import JSON, NO_ROUTE, READING, Lane, Need, Right, need_of
from bascule.api.tokens import FOLDER, OPERATOR, Session, Tokens
from bascule.api.turns import Turn, Turns
from bascule.api.users import Users
from bascule.errors import NotAllowed, StoreError
from bascule.spec import Spec
from bascule.spec.listening import RoleTls, is_loopback

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
COOKIE = "bascule-session-{port}"  # a browser sends a host's cookies to every port of it
PAGE_TOKEN = "X-Bascule-Page"  # the header in which a page of the console proves that it is one
_OPERATOR = f"send `Authorization: Bearer TOKEN`; the operator's token is in {FOLDER}/{OPERATOR} of the state folder"
LARGEST_HEAD = 16 << 10  # bytes
_NO_REFUSAL = 412  # Flagger's no is an answer
_ROUNDS = 5  # of the loop: the end is read in the second and told in the third
log = logging.getLogger(__name__)


class Door:
    """Who may come in, and what for."""

    def __init__(self, spec: Spec, role: str) -> None:
        self.role = role
        self.identity = Identity.of(spec)
        self.tokens = Tokens(spec.stack.state)
        self.users = Users(spec.stack.state)
        self.cookie = COOKIE.format(port=spec.stack.ports.console)
        self._url = spec.stack.page(role)
        self._own = LOOPBACK | {spec.stack.listen}
        sign_in = spec.stack.sign_in if role == "console" else None
        self._proxy = TrustedProxy(sign_in) if sign_in else None
        tls = spec.stack.tls
        hosts = {sign_in.host if sign_in else "", tls.host if isinstance(tls, RoleTls) else ""}
        self._names = self._own | (hosts - {""})
        # Everywhere has many names: a request by another name than ours needs a token, whatever it asks.
        self._is_everywhere = (
            spec.stack.listen != "localhost" and ipaddress.ip_address(spec.stack.listen).is_unspecified
        )

    def check(self, scope: Scope, headers: Headers, need: Need) -> None:
        """Raises Refused."""
        host = _host(headers.get("host", ""))
        if host not in self._names and not self._is_everywhere:
            names = ", ".join(sorted(self._names))
            raise Refused(400, "the Host header is not a name of this machine", f"use one of {names}")
        self._check_origin(headers)
        is_free = host in self._own and _is_loopback(scope)
        if is_free:  # here everyone may know which migration this is, and needs its token only if it is the right one
            self._check_migration(headers)
        self._check_right(need.right, headers, source_of(scope), is_free)
        self._check_migration(headers)

    def _check_origin(self, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] != headers.get("host", "").lower():
            raise Refused(403, "the request comes from a page of another origin", "open this role's own page instead")

    def _check_right(self, right: Right, headers: Headers, peer: str, is_free: bool) -> None:
        if right is Right.OPEN or (right is Right.READ and is_free):
            return
        given = _bearer(headers)
        if self.tokens.is_operator(given):
            return
        is_machine = self.tokens.is_webhook(given)
        if right is Right.DELIVER and is_machine:
            return
        if is_machine:
            raise Refused(403, "this token may only deliver alerts", _OPERATOR)
        if right in (Right.READ, Right.ACT) and self._check_session(right, headers, peer):
            return
        what = "the token is wrong" if given else "a token is needed"
        raise Refused(401, what, _OPERATOR, {"WWW-Authenticate": "Bearer"})

    def _check_session(self, right: Right, headers: Headers, peer: str) -> bool:
        """Whether somebody has signed in who may do this. Raises Refused for who has, and may not."""
        cookie, session = self.come_in(headers, peer)
        if session is None or right is Right.READ:
            return session is not None
        if not session.may_act:
            raise Refused(403, f"{session.user} may read, but not change anything", "sign in as an operator")
        if not self.tokens.is_page_token(headers.get(PAGE_TOKEN, ""), cookie):
            raise Refused(403, "the request does not come from a page of the console", "reload the page and try again")
        return True

    def come_in(self, headers: Headers, peer: str) -> tuple[str, Session | None]:
        """What a page token is made for, and who comes in: by the console's cookie, else by a trusted proxy."""
        cookie, session = self._by_cookie(headers)
        if session is None and self._proxy is not None:
            session = self._proxy.session(headers, peer)
            cookie = f"proxy {session.user}" if session else ""
        return cookie, session

    def sign_out(self, headers: Headers) -> None:
        """End the session whose cookie is sent. Raises StoreError where that cannot be kept."""
        cookie, session = self._by_cookie(headers)
        if session is not None:
            self.tokens.end_session(cookie)

    def _by_cookie(self, headers: Headers) -> tuple[str, Session | None]:
        """The console's cookie that a browser sends, and whom it was made for, while they may still come in."""
        try:
            sent = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            sent = None
        cookie = sent.value if sent else ""
        session = self.tokens.session_of(cookie)
        return cookie, session if session and self._is_known(session) else None

    def _is_known(self, session: Session) -> bool:
        """Whether the user is still who signed in; where the users cannot be read, nobody is."""
        try:
            return not session.user or self.users.knows(session)
        except StoreError:
            return False

    def proof(self, scope: Scope, headers: Headers, nonce: str) -> ListenerProof:
        """Of the address at which this very connection came in, if that is on loopback; beyond it, of the name by which
        it was asked, which is none of loopback unless every name is taken. Raises NotAllowed.
        """
        address, secret = self._asked_at(scope, headers), self.tokens.operator
        if not (address and secret):
            raise NotAllowed("this role cannot prove here that it knows the operator's token", _OPERATOR)
        return ListenerProof(role=self.role, proof=proof_of(secret, self.role, address, nonce))

    def _asked_at(self, scope: Scope, headers: Headers) -> str:
        if _is_loopback(scope):
            return address_of(*scope["server"])
        header = headers.get("host", "")
        host = _host(header)
        if is_loopback(host) and not self._is_everywhere:
            return ""
        return address_of(host, _port(header))

    def _check_migration(self, headers: Headers) -> None:
        meant = Identity.read(headers.get(HEADER, "")) if HEADER in headers else None
        if meant is not None and not meant.is_same_migration(self.identity):
            error = other_migration(self.role, self._url, self.identity, meant)
            raise Refused(409, error.what, error.fix)


class Guard:
    """Wraps a role's application."""

    def __init__(self, app: ASGIApp, door: Door, refusals: Refusals) -> None:
        self._app = app
        self._door = door
        self._refusals = refusals
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        incoming = _Incoming(headers, receive)
        answer = self._counted(scope, incoming, send)
        try:
            _check_head(scope, headers)
            need = need_of(scope["app"].routes, scope)
            self._door.check(scope, headers, need)
            limits: Limits = scope["app"].state.limits
            body = await _body(headers, need, limits, incoming)
            turn = await self._turns.take(need.lane, limits)
            try:
                if _is_worth_asking(need, scope):
                    await _check_waits(receive, scope)
                await self._app(scope, _replayed(body, receive), _ending(turn, answer))
            finally:
                turn.end()
        except Refused as refused:
            incoming.why = f": {refused.error}"
            await _refuse(refused, scope, receive, answer)
        except _Gone:
            return

    def _counted(self, scope: Scope, incoming: _Incoming, send: Send) -> Send:
        """Sends on, counts refusals, says on every other answer which migration this is, and on each whether the
        connection goes on."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if incoming.is_unread:
                    headers["Connection"] = "close"
                if status < 400:
                    headers[HEADER] = self._door.identity.header
                elif status != _NO_REFUSAL:
                    self._refusals.note(status, source_of(scope), _asked(scope) + incoming.why)
            await send(message)

        return counted


class _Incoming:
    """What comes of a request's body, whether some of it may still come, and why the request is refused, if it is."""

    def __init__(self, headers: Headers, receive: Receive) -> None:
        self._receive = receive
        self.why = ""
        self.is_unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

    async def __call__(self) -> Message:
        message = await self._receive()
        self.is_unread = self.is_unread and message.get("more_body", False)
        return message


def _ending(turn: Turn, send: Send) -> Send:
    """Ends the turn when the answer begins: it is made then, and how fast it is read is the client's."""

    async def ending(message: Message) -> None:
        turn.end()
        await send(message)

    return ending


def _is_worth_asking(need: Need, scope: Scope) -> bool:
    """Whether to look for a client that has gone: before a change, and before work for which it may have waited."""
    return need is not NO_ROUTE and (need.lane is not Lane.FREE or scope["method"] not in READING)


def _asked(scope: Scope) -> str:
    return f"{scope['method']} {scope['path'][:200]!r}"


async def _body(headers: Headers, need: Need, limits: Limits, receive: Receive) -> bytes:
    """The whole body; nothing of what no route takes. Raises Refused; _Gone when the client went before its end."""
    if need is NO_ROUTE:
        return b""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > need.largest:
        raise _too_large(need.largest)
    try:
        async with asyncio.timeout(limits.body):
            body = await _read(receive, need.largest)
    except TimeoutError as error:
        raise Refused(408, f"the body did not arrive within {limits.body:g} s", "try again") from error
    if body and headers.get("content-type", "").partition(";")[0].strip() != need.media:
        what = "JSON" if need.media == JSON else need.media
        raise Refused(415, f"the body must be {what}", f"send Content-Type: {need.media}")
    return body


def _check_head(scope: Scope, headers: Headers) -> None:
    """Raises Refused for a head that is too large, and for a body of two lengths: a proxy before us might see two
    requests in it."""
    size = sum(len(name) + len(value) for name, value in headers.raw) + len(scope["raw_path"] + scope["query_string"])
    if size > LARGEST_HEAD:
        raise Refused(431, f"the address and the headers are larger than {LARGEST_HEAD} bytes", "send less")
    if "content-length" in headers and "transfer-encoding" in headers:
        raise Refused(400, "the body has a Content-Length and a Transfer-Encoding", "send one of them")


class _Gone(Exception):
    """The client closed its connection."""


async def _check_waits(receive: Receive, scope: Scope) -> None:
    """Raises _Gone when the client has closed its connection already. The loop reads a request and its connection's end
    in separate rounds, also where both have been waiting for long."""
    said = asyncio.ensure_future(receive())
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
    if said.done() and said.result()["type"] == "http.disconnect":
        if scope["method"] not in READING:
            log.warning("not done, since its sender has given it up: %s", _asked(scope))
        raise _Gone
    said.cancel()


async def _read(receive: Receive, largest: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > largest:
            raise _too_large(largest)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(largest: int) -> Refused:
    return Refused(413, f"the body is larger than {largest} bytes", "send less at a time")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read once, then whatever the connection says."""
    waiting: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return replayed


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    content = {"error": refused.error, "fix": refused.fix}
    await JSONResponse(content, refused.status, refused.headers)(scope, receive, send)


# ---------------------------------------------------------------- what a request tells about itself


def _host(header: str) -> str:
    """The name in a Host header, without port and brackets; empty for what is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _port(header: str) -> int:
    """The port in a Host header; HTTP's own for what is none."""
    try:
        return urlsplit(f"//{header}").port or 80
    except ValueError:
        return 80


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_loopback(scope: Scope) -> bool:
    """Whether the connection came in at a loopback address of ours, which nothing outside this machine can reach."""
    address = (scope.get("server") or ("",))[0]
    if address in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def source_of(scope: Scope) -> str:
    """The address that a connection comes from."""
    return str((scope.get("client") or ("unknown",))[0])
