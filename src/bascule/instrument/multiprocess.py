"""Several worker processes, one `/metrics`: helpers around prometheus_client's files in PROMETHEUS_MULTIPROC_DIR.

In a gunicorn configuration file:

    from bascule.instrument.multiprocess import child_exit, on_starting

Under uvicorn's workers or any other server, call `start_afresh()` once before the server starts; a worker's death is
noticed at the next scrape.
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


def start_afresh() -> None:
    """Forget the files of the last run, which would be added to this one's totals. Not while workers run."""
    check_directory()
    if folder := directory():
        for file in folder.glob("*.db"):
            file.unlink(missing_ok=True)


def forget_dead_workers() -> None:
    """A dead worker's live gauges stop counting; its counters and histograms stay in the totals."""
    if folder := directory():
        for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
            if not _is_alive(pid):
                multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it lives, as another user
    return True


def on_starting(server: Any) -> None:
    """Gunicorn hook, see `start_afresh`."""
    start_afresh()


def child_exit(server: Any, worker: Any) -> None:
    """Gunicorn hook, see `forget_dead_workers`: at once, where gunicorn tells of a death."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
