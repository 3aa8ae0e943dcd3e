"""A caller of a role's application, with the operator's token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from bascule.api import Tokens
from bascule.spec import Spec


def with_state(spec: Spec, state: Path) -> Spec:
    """The spec with a state folder of the test's own."""
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": state})})


def operator(app: FastAPI, spec: Spec, **more: Any) -> TestClient:
    """Asks as the user who runs the stack."""
    tokens = Tokens(spec.stack.state)
    tokens.ensure()
    return TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {tokens.operator}"}, **more)
