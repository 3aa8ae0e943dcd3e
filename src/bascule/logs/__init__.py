"""Log lines into typed columns, a durable store, and the metrics that Prometheus scrapes."""

from __future__ import annotations

from bascule.logs.commands import Ingested, forget, ingest, search, stats
from bascule.logs.role import run

__all__ = ["Ingested", "forget", "ingest", "run", "search", "stats"]
