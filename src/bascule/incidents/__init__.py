"""Alerts that became incidents: intake, escalation, the phase journal and the timeline."""

from __future__ import annotations

import threading
import time
from functools import partial

from bascule.delivery import Deliverer, Ledger
from bascule.delivery.ledger import FILE as LEDGER_FILE
from bascule.incidents.app import create
from bascule.incidents.client import IncidentsClient
from bascule.incidents.escalator import Escalator
from bascule.incidents.kinds import kind_of
from bascule.incidents.store import Store
from bascule.incidents.trial import try_receivers
from bascule.processes.serving import serve_until
from bascule.spec import Spec

__all__ = ["STORE_FILE", "IncidentsClient", "run", "try_receivers"]

STORE_FILE = "incidents.sqlite"


def run(spec: Spec, stop: threading.Event) -> None:
    """Serve the role and tell people until `stop` is set; everything it knows is in the journal on disk."""
    kinds = partial(kind_of, roles=spec.signal_roles, prefix=spec.alert_prefix)
    store = Store(spec.stack.state / STORE_FILE, time.time(), kinds)
    ledger = Ledger(spec.stack.state / LEDGER_FILE)
    deliverer = Deliverer(spec.notify.receivers, ledger)
    escalator = Escalator(spec, store, deliverer, time.time)
    teller = threading.Thread(target=escalator.run, args=(stop,), name="escalation", daemon=True)
    teller.start()
    try:
        serve_until(stop, create(spec, store), spec.stack.listen, spec.stack.ports.incidents)
    finally:
        stop.set()
        teller.join(timeout=5)
        deliverer.close()
        store.close()
        ledger.close()
