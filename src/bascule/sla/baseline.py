"""V1's figures, frozen: once V1 is gone, gains are still measured against what it really did, by segment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bascule import private
from bascule.errors import StoreError, UsageError
from bascule.sla.compare import Cell, Cells, cells
from bascule.sla.data import Data

FILE = "sla/baseline.json"


@dataclass(frozen=True)
class Baseline:
    """By signal and segment what V1 did from `start` to `end` (Unix seconds): amount and events."""

    version: str
    start: float
    end: float
    signals: Mapping[str, Mapping[str, Cell]]

    def cells(self, signal: str) -> Mapping[str, Cell]:
        return self.signals.get(signal, {})

    def write(self, path: Path) -> None:
        """Raises StoreError."""
        body = {
            "version": self.version,
            "start": self.start,
            "end": self.end,
            "signals": {s: {g: [c.amount, c.events] for g, c in t.items()} for s, t in self.signals.items()},
        }
        try:
            private.replace(path, json.dumps(body, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise private.unkept("the frozen baseline", path, error) from error

    @classmethod
    def read(cls, path: Path) -> Baseline | None:
        """The frozen baseline, None when none was frozen."""
        if not path.exists():
            return None
        try:
            body = json.loads(path.read_text("utf-8"))
            signals = {s: {g: Cell(*pair) for g, pair in t.items()} for s, t in body["signals"].items()}
            return cls(body["version"], float(body["start"]), float(body["end"]), signals)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"the frozen baseline {path} cannot be read: {error}", "freeze it again") from error


def freeze(data: Data) -> Baseline:
    """What the baseline version did in the span; UsageError when it did nothing."""
    version = data.spec.versions.baseline
    signals: dict[str, dict[str, Cell]] = {}
    for name, signal in data.spec.signals.items():
        if signal.numerator is not None:
            table: Cells = cells(data, signal, data.pieces.start, data.pieces.end)
            signals[name] = {segment: row[version] for segment, row in table.items() if version in row}
    if not any(signals.values()):
        raise UsageError(f"{version} served nothing in that span", "freeze a span in which it had traffic")
    return Baseline(version, data.pieces.start, data.pieces.end, signals)
