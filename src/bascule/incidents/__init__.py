"""Alerts that became incidents: intake, escalation, the phase journal and the timeline."""

from __future__ import annotations

import threading
import time
from functools import partial

from bascule.api.server import serve
from bascule.delivery import FILE as OUTBOX_FILE
from bascule.delivery import Courier, Outbox
from bascule.incidents import phases
from bascule.incidents.announce import Announcer
from bascule.incidents.app import ROLE, create
from bascule.incidents.causes import cause_of
from bascule.incidents.echoes import Echoes
from bascule.incidents.escalator import Escalator
from bascule.incidents.guidance import Guidance
from bascule.incidents.kinds import kind_of
from bascule.incidents.quiet import Quiet
from bascule.incidents.reconcile import Reconciler
from bascule.incidents.silences import Keeper
from bascule.incidents.sources import Sources
from bascule.incidents.store import Store
from bascule.incidents.trial import try_receivers
from bascule.processes.workers import Workers
from bascule.spec import Spec

__all__ = ["STORE_FILE", "run", "try_receivers"]

STORE_FILE = "incidents.sqlite"


def run(spec: Spec, stop: threading.Event) -> None:
    """Serve the role and tell people until `stop` is set; everything it knows is in the journal on disk."""
    kinds = partial(kind_of, roles=spec.signal_roles, prefix=spec.alert_prefix)
    causes = partial(cause_of, prefix=spec.alert_prefix)
    store = Store(spec.stack.state / STORE_FILE, time.time(), kinds, causes)
    outbox = Outbox(spec.stack.state / OUTBOX_FILE)
    courier = Courier(spec.notify.receivers, outbox)
    sources = Sources(spec)
    quiet, echoes = Quiet(store, spec.maintenance, spec.labels_about), Echoes.of(spec, store)
    reconciler = Reconciler(store, quiet, echoes)
    guidance = Guidance(spec, store, sources.verdict).lines
    escalator = Escalator(spec, store, courier, quiet, time.time, guidance, reconciler.is_over)
    courier.heard = escalator.heard
    workers = Workers(stop)
    phases.recover(store, time.time())
    announcer = Announcer(spec, store, courier)
    announcer.resume(time.time())
    courier.start()
    workers.start("journal", lambda: store.run(stop))
    workers.start("escalation", lambda: escalator.run(stop))
    workers.start("reconciliation", lambda: reconciler.run(stop, sources))
    workers.start("silences", lambda: Keeper(spec, store, time.time).run(stop))
    try:
        work = (workers, courier.workers)
        serve(stop, create(spec, store, outbox, work=work, announce=announcer, echoes=echoes), spec, ROLE)
    finally:
        stop.set()
        workers.join(5)
        courier.close()
        sources.close()
        store.close()
        outbox.close()
