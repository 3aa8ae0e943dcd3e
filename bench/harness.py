"""What every benchmark returns, how it is written down, and what a process that it measures has used."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bascule.scenarios.measured import commit, machine

__all__ = [
    "OUTPUT",
    "Bar",
    "Result",
    "commit",
    "machine",
    "processor_seconds",
    "resident_bytes",
    "run",
    "stat_fields",
    "table",
    "write",
]

OUTPUT = Path("bench-output")
Direction = Literal["at_least", "at_most"]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Bar:
    """One figure that must hold. `target` None: shown beside the others, for information."""

    name: str
    value: float | None
    unit: str
    target: float | None
    direction: Direction = "at_most"

    @property
    def holds(self) -> bool:
        if self.target is None:
            return True
        if self.value is None:
            return False
        return self.value >= self.target if self.direction == "at_least" else self.value <= self.target


@dataclass(frozen=True)
class Result:
    """The bars of one benchmark, and the raw figures behind them."""

    bars: list[Bar]
    raw: Any = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        return all(bar.holds for bar in self.bars)


def stat_fields(pid: int) -> list[str]:
    """Of /proc/PID/stat (Linux), behind the name. Raises OSError for a process that has ended."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def processor_seconds(pid: int) -> float:
    """By a process itself so far."""
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """Memory that a process has in use."""
    return 1024 * int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def write(name: str, result: Result, folder: Path = OUTPUT) -> Path:
    """Write `bench-output/NAME.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    document = {
        "machine": machine(),
        "commit": commit(),
        "bars": [asdict(bar) | {"holds": bar.holds} for bar in result.bars],
        "raw": result.raw,
    }
    path.write_text(json.dumps(document, indent=2, default=str) + "\n")
    return path


def run(module: str, name: str) -> int:
    """Call the module's `run`, write and show its result; 1 when a bar fails."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    print(f"== {name}", flush=True)
    result = importlib.import_module(module).run()
    path = write(name, result)
    print(table(result))
    print(f"written to {path}")
    return 0 if result.holds else 1


def _stop(number: int, _frame: object) -> None:
    """Leave through every `with`: programs are ended and folders removed."""
    sys.exit(128 + number)


def table(result: Result) -> str:
    """The bars as a text table, one a line."""
    rows = [("bar", "value", "target", "unit", "")]
    for bar in result.bars:
        value = "-" if bar.value is None else f"{bar.value:.4g}"
        sign = ">=" if bar.direction == "at_least" else "<="
        target = "" if bar.target is None else f"{sign} {bar.target:g}"
        rows.append((bar.name, value, target, bar.unit, "holds" if bar.holds else "FAILS"))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
