"""The application of every role, as `bascule serve` and `bascule up` make it, without its work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from fastapi import FastAPI

from bascule.console import create_app
from bascule.delivery import Courier, Outbox
from bascule.incidents.app import create as incidents
from bascule.incidents.store import Store
from bascule.judge import VerdictBoard, build_app
from bascule.logs.serving.role import Upkeep, build, pages
from bascule.logs.storing.consumers import Consumers
from bascule.logs.storing.places import root_of
from bascule.logs.storing.store import open_store
from bascule.processes.supervisor import Supervisor
from bascule.sla.archive import Archive
from bascule.sla.ends import Ends
from bascule.sla.role import create as sla
from bascule.spec import Spec
from bascule.stack.metrics import create as supervisor

ROLES = ("incidents", "judge", "logs", "console", "sla", "supervisor")


@contextmanager
def applications(spec: Spec) -> Iterator[dict[str, FastAPI]]:
    """By role; what they keep is in the spec's state folder."""
    state = spec.stack.state
    with ExitStack() as kept:
        journal = kept.enter_context(closing(Store(state / "incidents.sqlite", time.time())))
        outbox = kept.enter_context(closing(Outbox(state / "deliveries.sqlite")))
        lines = kept.enter_context(closing(open_store(root_of(spec))))
        pipeline = build(spec, lines)
        upkeep = Upkeep(pipeline, lines, spec.logs.retention, Consumers.load(lines.root / "consumers.parquet"))
        yield {
            "incidents": incidents(spec, journal, outbox),
            "judge": build_app(VerdictBoard(spec)),
            "logs": pages(spec, pipeline, upkeep),
            "console": create_app(spec),
            "sla": sla(spec, Archive(state / "sla"), outbox, Ends(spec, Courier({}, outbox), time.time)),
            "supervisor": supervisor(spec, kept.enter_context(Supervisor())),
        }
