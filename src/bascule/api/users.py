"""Who may sign in to the console: names, seats and hashed passwords, in one file of the secrets folder (0600)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from bascule.api.models.fields import Who
from bascule.api.tokens import FOLDER, Seat, Session, write_private
from bascule.errors import NotAllowed, StoreError, UsageError

FILE = "users"
SHORTEST = 10  # characters of a password
MOST_FAILURES = 10  # in FORGOTTEN_AFTER seconds, of all names together
FORGOTTEN_AFTER = 60.0
# 16 MB and some 50 ms a try
_COST, _BLOCK, _LANES = 2**14, 8, 1


class KeptUser(BaseModel):
    """`salt` and `hash` are hexadecimal; the hash is scrypt's."""

    seat: Seat
    salt: str
    hash: str

    @property
    def credential(self) -> str:
        """Another one for each password that is set."""
        return hashlib.sha256(f"credential {self.salt}".encode()).hexdigest()[:16]


_file = TypeAdapter(dict[Who, KeptUser])
_NOBODY = KeptUser(seat=Seat.VIEWER, salt="00", hash="00")


class Users:
    """The file is read for each request: a removed user can no longer sign in."""

    def __init__(self, state: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = state / FOLDER / FILE
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=MOST_FAILURES)
        self._one_at_a_time = threading.Lock()

    def all(self) -> Mapping[str, Seat]:
        """Names and seats. Raises StoreError when the file cannot be read."""
        return {name: user.seat for name, user in self._read().items()}

    def put(self, name: str, seat: Seat, password: str) -> None:
        """Add a user, or change one. Raises UsageError for a name or password that cannot be taken."""
        if len(password) < SHORTEST:
            raise UsageError(f"the password is shorter than {SHORTEST} characters", "choose a longer one")
        salt = secrets.token_bytes(16)
        user = KeptUser(seat=seat, salt=salt.hex(), hash=_hash(password, salt).hex())
        self._write(self._read() | {name: user})

    def remove(self, name: str) -> None:
        """Raises UsageError when nobody has this name."""
        users = self._read()
        if name not in users:
            raise UsageError(f"there is no user {name!r}", "`bascule users list` lists them")
        self._write({other: user for other, user in users.items() if other != name})

    def sign_in(self, name: str, password: str) -> Session:
        """Who signs in. Raises NotAllowed; the name alone is never told to be wrong."""
        with self._one_at_a_time:  # a guess costs memory, and its time
            now = self._clock()
            if len(self._failures) == MOST_FAILURES and now - self._failures[0] < FORGOTTEN_AFTER:
                raise NotAllowed("too many wrong passwords", f"try again in {FORGOTTEN_AFTER:.0f} s")
            user = self._read().get(name)
            kept = user or _NOBODY
            is_right = hmac.compare_digest(_hash(password, bytes.fromhex(kept.salt)), bytes.fromhex(kept.hash))
            if user is None or not is_right:
                self._failures.append(now)
                raise NotAllowed("the name or the password is wrong", "`bascule users set NAME` makes a new password")
            return Session(name, user.seat, user.credential)

    def knows(self, session: Session) -> bool:
        """Whether the user is still there, with this seat and password. Raises StoreError as `all`."""
        user = self._read().get(session.user)
        return user is not None and (user.seat, user.credential) == (session.seat, session.credential)

    def _read(self) -> dict[str, KeptUser]:
        try:
            return _file.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            raise StoreError(
                f"{self._path} cannot be read", "remove it, then add the users again with `bascule users set NAME`"
            ) from error

    def _write(self, users: dict[str, KeptUser]) -> None:
        try:
            checked = _file.validate_python(users)
        except ValidationError as error:
            raise UsageError("the user's name is not valid", "give one line of 1 to 200 characters") from error
        write_private(self._path, _file.dump_json(checked, indent=1).decode())


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, n=_COST, r=_BLOCK, p=_LANES, maxmem=2**26)
