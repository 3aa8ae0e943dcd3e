"""What a judge knows, kept on disk: one that is restarted goes on from there and reads only what came since.

A snapshot is of one build, spec, server and step of the plan; any other is ignored, and so is a damaged one: history
is then read again, as without it.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import pickle
import threading
import time
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final

import bascule
from bascule import private
from bascule.judge.service.watch import REACH_SECONDS, PhaseWatch

LOG = logging.getLogger("bascule.judge")
FILE: Final = "snapshot"
EVERY_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 1.0
# A snapshot holds these alone: numbers, arrays, and classes of ours. Reading one runs no other code.
OUR_ROOMS: Final = (
    "bascule.judge.",
    "bascule.prometheus.rows",
    "bascule.spec.",
    "bascule.states",
    "bascule.conventions",
    "bascule.units",
)
FURTHER: Final = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("collections", "deque"),
    ("collections", "defaultdict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


class Snapshots:
    """The snapshot of the present watch in a folder: written once a minute by `run`, read once after a start."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._kept = time.monotonic()
        self._waiting: bytes | None = None
        self._changed = threading.Event()
        self._refused = False  # by the disk

    def recall(self, watch: PhaseWatch, now: float) -> bool:
        """Let a watch that has read nothing yet know what is kept of it, Unix seconds; False where that is nothing."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            return _ignored(str(error))
        head, _, state = content.partition(b"\n")
        if reason := _unusable(head, state, watch, now):
            return _ignored(reason)
        try:
            watch.recall(_Unpickler(state, watch.shared).load())
        except (pickle.UnpicklingError, EOFError, ImportError, AttributeError, LookupError, TypeError, ValueError) as e:
            return _ignored(f"it cannot be read: {e}")
        LOG.info("read on from the snapshot of %.0f s ago", now - watch.read_until)
        return True

    def offer(self, watch: PhaseWatch) -> None:
        """Take a snapshot when it is time; the caller never waits for the disk."""
        if time.monotonic() - self._kept >= EVERY_SECONDS:
            self._kept = time.monotonic()
            self._waiting = snapshot_of(watch)
            self._changed.set()

    def run(self, stop: threading.Event) -> None:
        """Write what is offered, until told to stop."""
        while not stop.is_set():
            if self._changed.wait(PAUSE_SECONDS):
                self._changed.clear()
                if (content := self._waiting) is not None:
                    self._waiting = None
                    self.write(content)

    def write(self, content: bytes) -> None:
        """Put a snapshot in place of the one before. A disk that takes none is logged, once."""
        try:
            private.replace(self._path, content)
            self._refused = False
        except OSError as error:
            if not self._refused:
                LOG.warning("no snapshot is written; a restart reads all of the history again: %s", error)
            self._refused = True

    def forget(self) -> None:
        """Remove the snapshot."""
        self._path.unlink(missing_ok=True)


def snapshot_of(watch: PhaseWatch) -> bytes:
    """A line that says what it is of, and the state."""
    buffer = io.BytesIO()
    _Pickler(buffer, watch.shared).dump(watch.remembered())
    state = buffer.getvalue()
    head = {"of": _identity(watch), "until": watch.read_until, "sha256": hashlib.sha256(state).hexdigest()}
    return json.dumps(head).encode() + b"\n" + state


def _unusable(head: bytes, state: bytes, watch: PhaseWatch, now: float) -> str:
    """Why a snapshot is not for this watch; empty where it is."""
    try:
        known = json.loads(head)
        of, until, digest = known["of"], float(known["until"]), known["sha256"]
    except (ValueError, KeyError, TypeError):
        return "it is damaged"
    if of != _identity(watch):
        return "it is of another build, spec, Prometheus or step of the plan"
    if digest != hashlib.sha256(state).hexdigest():
        return "it is damaged"
    if until > now:
        return "it is from a later time"
    return "" if until > now - REACH_SECONDS else "it is too old"


def _ignored(reason: str) -> bool:
    LOG.warning("the judge's snapshot is ignored, history is read again: %s", reason)
    return False


def _identity(watch: PhaseWatch) -> str:
    return hashlib.sha256(f"{_build()}{watch.identity}".encode()).hexdigest()


@cache
def _build() -> str:
    """A digest of this build's source: what one build kept another may understand otherwise."""
    digest, root = hashlib.sha256(), Path(bascule.__path__[0])
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


class _Pickler(pickle.Pickler):
    """`shared`: objects that are not kept, by name; the reader of the snapshot has its own."""

    def __init__(self, file: io.BytesIO, shared: Mapping[str, object]) -> None:
        super().__init__(file, protocol=5)
        self._names = {id(each): name for name, each in shared.items()}

    def persistent_id(self, obj: object) -> str | None:
        return self._names.get(id(obj))

    def reducer_override(self, obj: object) -> Any:
        """A member of an enumeration by its value: Python 3.11.2 writes it as a call of `getattr`."""
        return (type(obj), (obj.value,)) if isinstance(obj, Enum) else NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, state: bytes, shared: Mapping[str, object]) -> None:
        super().__init__(io.BytesIO(state))
        self._shared = shared

    def persistent_load(self, pid: Any) -> object:
        return self._shared[pid]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in FURTHER:
            return super().find_class(module, name)
        found = super().find_class(module, name) if module.startswith(OUR_ROOMS) and "." not in name else None
        if not isinstance(found, type) or found.__module__ != module:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a snapshot")
        return found
