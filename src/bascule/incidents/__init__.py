"""Alerts that became incidents: intake, escalation, the phase journal and the timeline."""

from __future__ import annotations

import threading
import time

from bascule.incidents.app import create
from bascule.incidents.store import Store
from bascule.processes.serving import serve_until
from bascule.spec import Spec

__all__ = ["STORE_FILE", "run"]

STORE_FILE = "incidents.sqlite"


def run(spec: Spec, stop: threading.Event) -> None:
    """Serve the role until `stop` is set; everything it knows is in the journal on disk."""
    store = Store(spec.stack.state / STORE_FILE, time.time())
    try:
        serve_until(stop, create(spec, store), spec.stack.listen, spec.stack.ports.incidents)
    finally:
        store.close()
