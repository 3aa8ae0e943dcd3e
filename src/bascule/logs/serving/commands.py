"""What the command line calls: ingest, search, stats, forget."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bascule.api import LogsClient
from bascule.errors import AlreadyRunning, UsageError
from bascule.logs.serving.ingest import STDIN, Ingested, ingest_into, paths_of, sources_for
from bascule.logs.storing import query
from bascule.logs.storing.consumers import Consumers
from bascule.logs.storing.forget import forget_user
from bascule.logs.storing.places import pseudonyms_of, root_of
from bascule.logs.storing.store import open_store
from bascule.spec import Spec


def ingest(spec: Spec, files: Sequence[str], source: str | None = None, workers: int = 1) -> Ingested:
    """Read files (globs, gzip, `-` for standard input) to their end into the store, each line exactly once.

    `source` names the spec's source whose formats the lines have; by default the one whose files they are. More
    workers read several files at once. A running logs role does it itself.
    """
    sources = sources_for(spec, paths_of(files), source)
    try:
        store = open_store(root_of(spec))
    except AlreadyRunning:
        return _ingest_there(spec, sources)
    try:
        return ingest_into(store, spec, sources, workers)
    finally:
        store.close()


def _ingest_there(spec: Spec, sources: dict[str, str]) -> Ingested:
    if STDIN in sources:
        fix = "write the lines to a file and give that, or stop the role first"
        raise UsageError("the logs role runs, and cannot read this command's standard input", fix)
    client = LogsClient(spec)
    try:
        return Ingested(**client.ingest(sources).model_dump())
    finally:
        client.close()


def search(
    spec: Spec, text: str = "", since: datetime | str | None = None, where: Sequence[str] = (), limit: int = 100
) -> list[dict[str, Any]]:
    """The latest rows that hold `text` (`/.../` for a regular expression) and meet every condition."""
    start = query.span(since)[0] if isinstance(since, str) else since
    return query.search(query.LogReader(root_of(spec)), text, start, where, limit)


def stats(spec: Spec) -> dict[str, Any]:
    """Show what the store holds, by source, format, version and day."""
    return query.summary(query.LogReader(root_of(spec)))


def forget(spec: Spec, user: str) -> int:
    """Take a user's id out of everything stored; how many rows named it. A running logs role does it itself."""
    try:
        store = open_store(root_of(spec))
    except AlreadyRunning:
        return _forget_there(spec, user)
    try:
        consumers = Consumers.load(store.root / "consumers.parquet")
        rows = forget_user(store, consumers, pseudonyms_of(spec), user, time.time())
        consumers.save()
        return rows
    finally:
        store.close()


def _forget_there(spec: Spec, user: str) -> int:
    client = LogsClient(spec)
    try:
        return client.forget(user)
    finally:
        client.close()
