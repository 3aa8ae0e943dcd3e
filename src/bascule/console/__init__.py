"""The console: one live page of the whole migration, read from Prometheus and the other roles over HTTP."""

from __future__ import annotations

import threading

from bascule.console.app import create_app
from bascule.processes.serving import serve_until
from bascule.spec import Spec

__all__ = ["create_app", "run"]


def run(spec: Spec, stop: threading.Event) -> None:
    """Serve the page until `stop` is set."""
    serve_until(stop, create_app(spec, stop), spec.stack.listen, spec.stack.ports.console)
