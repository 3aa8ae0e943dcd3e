"""The secrets of one stack, each a file (0600) in `secrets` of its state folder.

`token`                       the operator's: who can read it has every right in every role
`alertmanager-webhook-token`  Alertmanager's: it may deliver alerts and nothing else
`console-addresses`           a folder with a file for each printed address, gone when it was used (see `one_time`)
`ended-sessions`              a folder with a file for each session of the console that was ended before its time
`users`                       who may sign in to the console, with hashed passwords (see `bascule.api.users`)

They are read for each request: a replaced file counts at once, a removed one refuses everybody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bascule import private

FOLDER = "secrets"
OPERATOR = "token"
WEBHOOK = "alertmanager-webhook-token"
ADDRESSES = "console-addresses"
ENDED = "ended-sessions"
# Environment variables that name a file with the secret, where it is not in the state folder.
ELSEWHERE = "BASCULE_TOKEN_FILE"
WEBHOOK_ELSEWHERE = "BASCULE_WEBHOOK_TOKEN_FILE"
SESSION_SECONDS = 7 * 86400.0
_PARTS = 5  # of what a cookie tells
ADDRESS_SECONDS = 86400.0  # that a printed address waits for its use


class Seat(StrEnum):
    """What who has come in to the console may do there."""

    VIEWER = "viewer"  # read
    OPERATOR = "operator"  # read and act


@dataclass(frozen=True)
class Session:
    """Who has come in; `user` is empty for who came by the address that works once. `credential` says by which of the
    user's passwords: with another one, the session is over.
    """

    user: str
    seat: Seat
    credential: str = ""

    @property
    def may_act(self) -> bool:
        return self.seat is Seat.OPERATOR


class Tokens:
    """Raises StoreError where a secret cannot be written."""

    def __init__(self, state: Path) -> None:
        self.folder = state / FOLDER

    def ensure(self) -> None:
        """Make what is missing; of several processes that do so at once, all end up with the same."""
        for name in (OPERATOR, WEBHOOK):
            if not self._read(name):
                self._keep(name, secrets.token_urlsafe(32))

    @property
    def operator(self) -> str:
        """Empty when there is none, or this user must not read it."""
        return self._read(OPERATOR)

    @property
    def webhook(self) -> str:
        elsewhere = os.environ.get(WEBHOOK_ELSEWHERE)
        return read_token(Path(elsewhere)) if elsewhere else self._read(WEBHOOK)

    def is_operator(self, given: str) -> bool:
        return _equal(given, self.operator)

    def is_webhook(self, given: str) -> bool:
        return _equal(given, self.webhook)

    # ------------------------------------------------------------ the console's address, and who came in by it

    def one_time(self) -> str:
        """A new token that opens the console once, within a day; its file holds nothing, its name is a hash."""
        _forget(self.folder / ADDRESSES, ADDRESS_SECONDS)
        token = secrets.token_urlsafe(16)
        write_private(self._unused(token), "")
        return token

    def address(self, console: str) -> str:
        """The console's address that signs in once."""
        return f"{console}/enter?token={self.one_time()}"

    def redeem(self, given: str) -> Session | None:
        """Who comes in by a token that was not used before; it is used up by this."""
        _forget(self.folder / ADDRESSES, ADDRESS_SECONDS)
        try:
            self._unused(given).unlink()
        except OSError:  # there is none, another request was quicker, or it cannot be used up
            return None
        return Session("", Seat.OPERATOR)

    def _unused(self, token: str) -> Path:
        return self.folder / ADDRESSES / hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()

    def cookie(self, session: Session, now: float | None = None) -> str:
        """A cookie's value for a week; it counts for as long as the operator's token does."""
        ends = int((time.time() if now is None else now) + SESSION_SECONDS)
        user = base64.urlsafe_b64encode(session.user.encode()).decode()
        told = f"{ends}.{session.seat}.{user}.{session.credential}.{secrets.token_hex(8)}"
        return f"{told}.{self._signature('session', told)}"

    def session_of(self, cookie: str, now: float | None = None) -> Session | None:
        """Who a cookie was made for; None for one that was not made here or has ended, and for one of before sessions
        could be ended."""
        told, _, signature = cookie.rpartition(".")
        if not (told and self.operator and _equal(signature, self._signature("session", told))):
            return None
        parts = told.split(".")  # signed, so ours
        if len(parts) != _PARTS or self._ended(cookie).exists():
            return None
        ends, seat, user, credential, _ = parts
        if int(ends) <= (time.time() if now is None else now):
            return None
        return Session(base64.urlsafe_b64decode(user).decode(), Seat(seat), credential)

    def end_session(self, cookie: str) -> None:
        """From now on the cookie is nobody's, wherever it was copied to."""
        if self.session_of(cookie) is not None:
            write_private(self._ended(cookie), "")
            _forget(self.folder / ENDED, SESSION_SECONDS)

    def _ended(self, cookie: str) -> Path:
        return self.folder / ENDED / hashlib.sha256(cookie.encode()).hexdigest()

    def page_token(self, cookie: str) -> str:
        """What a page made for this cookie sends with every request that changes something; no other site knows it."""
        return self._signature("page", cookie)

    def is_page_token(self, given: str, cookie: str) -> bool:
        return bool(self.operator) and _equal(given, self.page_token(cookie))

    def _signature(self, purpose: str, text: str) -> str:
        return hmac.new(self.operator.encode(), f"console {purpose}: {text}".encode(), hashlib.sha256).hexdigest()

    # ------------------------------------------------------------ files

    def _read(self, name: str) -> str:
        return read_token(self.folder / name)

    def _keep(self, name: str, text: str) -> None:
        """Write a secret; one that another process has written meanwhile stays."""
        path, content = self.folder / name, f"{text}\n"
        try:
            if not private.create(path, content) and not self._read(name):
                private.replace(path, content)  # an empty one is of no use
        except OSError as error:
            raise private.unkept("a secret", path, error) from error


def _forget(folder: Path, seconds: float) -> None:
    """Remove the files of a folder that are older."""
    oldest = time.time() - seconds
    with suppress(OSError):  # there are none, or another process was quicker
        for path in folder.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink()


def read_token(path: Path) -> str:
    """The token in a file; empty when there is none that this user may read."""
    with suppress(OSError, UnicodeError):
        return path.read_text("utf-8").strip()
    return ""


def token_for(state: Path) -> str:
    """The operator's token: from the file that the environment names, else of the state folder. Empty without one."""
    elsewhere = os.environ.get(ELSEWHERE)
    return read_token(Path(elsewhere)) if elsewhere else Tokens(state).operator


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, in one step. Raises StoreError."""
    try:
        private.replace(path, f"{text}\n")
    except OSError as error:
        raise private.unkept("a secret", path, error) from error


def _equal(given: str, right: str) -> bool:
    """Compared in constant time; an empty secret equals nothing."""
    return bool(right) and hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
