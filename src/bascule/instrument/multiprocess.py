"""Several worker processes, one `/metrics`: helpers around prometheus_client's files in PROMETHEUS_MULTIPROC_DIR.

In a gunicorn configuration file:

    from bascule.instrument.multiprocess import child_exit, on_starting

Under uvicorn's workers or any other server, call `start_afresh()` once before the server starts; a worker's death is
noticed at the next scrape.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from prometheus_client import multiprocess

from bascule.errors import UsageError
from bascule.instrument.merge import is_alive, merge_dead, pid_of

logger = logging.getLogger("bascule.instrument")

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
    """Forget the files of the last run, which would be added to this one's totals. Not while workers run.

    This process keeps its own: an application that was loaded before (gunicorn's `--preload`) has its label sets there.
    A UsageError where the directory cannot be written.
    """
    check_directory()
    if folder := directory():
        files = (file for suffix in ("db", "old", "new") for file in folder.glob(f"*.{suffix}"))
        for file in (file for file in files if pid_of(file) != os.getpid()):
            file.unlink(missing_ok=True)


def forget_dead_workers() -> None:
    """Dead workers' live gauges stop counting; their counters and histograms stay in the totals, in one file."""
    folder = directory()
    if folder is None:
        return
    for pid in {pid_of(file) for file in folder.glob("gauge_live*_*.db")}:
        if pid is not None and not is_alive(pid):
            multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
    merge_dead(folder)


def on_starting(server: Any) -> None:
    """Gunicorn hook, see `start_afresh`."""
    start_afresh()


def child_exit(server: Any, worker: Any) -> None:
    """Gunicorn hook, see `forget_dead_workers`. It must not end gunicorn itself."""
    try:
        forget_dead_workers()
    except Exception:
        logger.exception("instrumentation: a dead worker's metrics could not be stored")
