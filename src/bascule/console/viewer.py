"""The person who looks at a page."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.api.tokens import Session


@dataclass(frozen=True)
class Viewer:
    """`page_token` proves that a request comes from a page made for them."""

    session: Session | None = None
    page_token: str = ""

    @property
    def may_act(self) -> bool:
        return self.session is not None and self.session.may_act

    @property
    def user(self) -> str:
        return self.session.user if self.session else ""


NOBODY = Viewer()
