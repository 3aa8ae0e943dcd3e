"""What is recorded with a measured figure: the machine, and the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

_WRITTEN = ("drill-output", "bench-output", "demo-output", "docs/success-criteria.md")


def machine() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def commit() -> str:
    """The commit measured, with `+changes` when the work tree differs from it in more than what measuring writes;
    `unknown` outside a repository."""
    head = _git("rev-parse", "--short", "HEAD")
    elsewhere = (f":(exclude){path}" for path in _WRITTEN)
    return head + ("+changes" if _git("status", "--porcelain", "--", ".", *elsewhere) else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
