"""Log lines into typed columns, a durable store, and the metrics that Prometheus scrapes."""

from __future__ import annotations

from bascule.logs.role import run

__all__ = ["run"]
