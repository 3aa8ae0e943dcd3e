"""What the bench asks of a sender, and what the sender did: a file of JSON each way, replaced as a whole."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule.errors import ProcessFailed
from bascule.processes.ready import wait_until

TAKEN_SECONDS = 30.0  # in which a sender takes an order, on a machine that is loaded


@dataclass
class Desk:
    """Between the bench and one sender; keys of an order stay as they were until another order changes them."""

    folder: Path
    name: str
    wanted: dict[str, Any] = field(default_factory=dict)
    number: int = 0

    def ask(self, **wanted: Any) -> None:
        """Order, and wait until the sender follows. Raises ProcessFailed where it does not."""
        self.wanted |= wanted
        self.number += 1
        _write(self._order, {"number": self.number, **self.wanted})
        if not wait_until(lambda: self.said().get("number") == self.number, TAKEN_SECONDS, pause=0.05):
            what = f"the sender of {self.name} has not taken order {self.number} within {TAKEN_SECONDS:g} s"
            raise ProcessFailed(what, f"the end of its log: {self._end_of_log() or 'it is empty'}")

    def said(self) -> dict[str, Any]:
        """What the sender did so far."""
        return _read(self._done)

    def asked(self) -> dict[str, Any]:
        """The sender's side: the order."""
        return _read(self._order)

    def say(self, **done: Any) -> None:
        """The sender's side: what it did; `number` is of the order that it follows."""
        _write(self._done, done)

    def _end_of_log(self) -> str:
        log = self.folder / f"{self.name}.log"
        return log.read_text(errors="replace")[-500:] if log.exists() else ""

    @property
    def _order(self) -> Path:
        return self.folder / f"{self.name}.order"

    @property
    def _done(self) -> Path:
        return self.folder / f"{self.name}.done"


def ports_of(arguments: Sequence[str]) -> dict[str, int]:
    """The port of each service, from `NAME=PORT` arguments."""
    named = (each.split("=") for each in arguments)
    return {name: int(port) for name, port in named}


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


def _write(path: Path, content: dict[str, Any]) -> None:
    fresh = path.with_suffix(f"{path.suffix}.new")
    fresh.write_text(json.dumps(content))
    os.replace(fresh, path)
