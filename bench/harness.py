"""What every benchmark returns, and how it is written down."""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

OUTPUT = Path("bench-output")
Direction = Literal["at_least", "at_most"]


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
    print(f"== {name}", flush=True)
    result = importlib.import_module(module).run()
    path = write(name, result)
    print(table(result))
    print(f"written to {path}")
    return 0 if result.holds else 1


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


def machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def commit() -> str:
    """The commit measured, with `+changes` when the work tree differs from it."""
    head = _git("rev-parse", "--short", "HEAD")
    return head + ("+changes" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
