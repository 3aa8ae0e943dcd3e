"""The console: one live page of the whole migration, read from Prometheus and the other roles over HTTP."""

from __future__ import annotations

import threading

from bascule.api.server import serve
from bascule.console.app import ROLE, create_app
from bascule.spec import Spec

__all__ = ["create_app", "run"]


def run(spec: Spec, stop: threading.Event) -> None:
    """Serve the page until `stop` is set."""
    serve(stop, create_app(spec, stop), spec, ROLE)
