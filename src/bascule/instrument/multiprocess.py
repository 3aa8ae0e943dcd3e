"""Several worker processes, one `/metrics`: helpers around prometheus_client's files in PROMETHEUS_MULTIPROC_DIR.

In a gunicorn configuration file:

    from bascule.instrument.multiprocess import child_exit, on_starting
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from prometheus_client import multiprocess

from bascule.errors import UsageError

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def directory() -> Path | None:
    """Where the workers' files are, or None in a service of one process."""
    path = os.environ.get(DIRECTORY_VARIABLE)
    return Path(path) if path else None


def check_directory() -> None:
    """A UsageError now rather than an exception in the first request."""
    folder = directory()
    if folder is None:
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{DIRECTORY_VARIABLE}={folder}: metrics cannot be written there: {error.strerror}",
            "make the directory before the service starts, and let the service's user write to it",
        ) from error


def on_starting(server: Any) -> None:
    """Gunicorn hook: forget the files of the last run, which would be added to this one's totals."""
    check_directory()
    if folder := directory():
        for file in folder.glob("*.db"):
            file.unlink(missing_ok=True)


def child_exit(server: Any, worker: Any) -> None:
    """Gunicorn hook: a dead worker's gauges stop counting; its counters and histograms stay in the totals."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
