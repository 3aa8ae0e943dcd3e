"""Who listens on a role's port: a role proves that it knows the operator's token before anybody sends it there.

Another user's process may have taken the port while the role was down. So the first request of a connection asks for
a proof, and the token goes over that same connection alone. A proof is good for one role at one address, as its own
socket knows it: passed on from another listener, it is of no use.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import Field, ValidationError

from bascule.api.identity import HEADER, Identity
from bascule.api.models import fields
from bascule.api.models.others import Refusal
from bascule.conventions import OWN_AGENT
from bascule.errors import OtherMigration, Unreachable
from bascule.processes import ports
from bascule.spec.addresses import bracketed
from bascule.spec.listening import is_loopback
from bascule.transport import HttpAnswer, OneConnection

PATH: Final = "/proof"
PURPOSE: Final = "Bascule listener proof 1"  # what else the token signs begins otherwise
BUSY: Final = (408, 429, 503)

Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{32,128}$")]


class ListenerProof(fields.Answer):
    role: str
    proof: str


def proof_of(secret: str, role: str, address: str, nonce: str) -> str:
    """`address`: host:port."""
    text = "\n".join((PURPOSE, role, address, nonce))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def address_of(host: str, port: int) -> str:
    """Written in one way, however an address was written."""
    try:
        return f"{bracketed(str(ipaddress.ip_address(host)))}:{port}"
    except ValueError:
        return f"{host.lower()}:{port}"


class Prover:
    """Makes a role's listener prove itself: a `Prove` of `bascule.transport`. `secret` is read for each connection."""

    def __init__(self, role: str, identity: Identity, secret: Callable[[], str], fix: str) -> None:
        """`fix`: what to do where the secret may be the wrong one."""
        self._role = role
        self._identity = identity
        self._secret = secret
        self._fix = fix

    def __call__(self, connection: OneConnection) -> None:
        """Raises Unreachable for another listener and where it is busy, OtherMigration where it serves one."""
        nonce = secrets.token_urlsafe(32)
        headers: dict[bytes | str, bytes | str] = {
            HEADER: self._identity.header,
            "User-Agent": OWN_AGENT,
            "Accept": "application/json",
        }
        answer = connection.get(f"{PATH}?nonce={nonce}", headers)
        if refusal := _refusal(answer):
            raise refusal
        secret, peer = self._secret(), connection.peer if is_loopback(connection.peer[0]) else connection.named
        right = proof_of(secret, self._role, address_of(*peer), nonce)
        if not (secret and hmac.compare_digest(_given(answer).encode(), right.encode())):
            raise self._stranger(*peer)

    def _stranger(self, host: str, port: int) -> Unreachable:
        owner = ports.owner(port) if is_loopback(host) else None
        named, address = f" ({owner})" if owner else "", address_of(host, port)
        what = (
            f"what listens on {address}{named} is not the {self._role} role of this state folder: it does not"
            " know the operator's token, which was not sent to it"
        )
        return Unreachable(
            what, f"stop that program, or change stack.ports.{self._role} in the spec; if it is yours, {self._fix}"
        )


def _given(answer: HttpAnswer) -> str:
    """The proof in an answer; empty where there is none."""
    try:
        return ListenerProof.model_validate_json(answer.body).proof
    except ValidationError:
        return ""


def _refusal(answer: HttpAnswer) -> OtherMigration | Unreachable | None:
    """What a role says instead of its proof; it is a reason to send nothing, no matter who says it."""
    if answer.status != 409 and answer.status not in BUSY:
        return None
    try:
        said = Refusal.model_validate_json(answer.body)
    except ValidationError:
        return None
    return (OtherMigration if answer.status == 409 else Unreachable)(said.error, said.fix)
