"""Writing the small files that the lab's processes read while they run."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Write a file whole: a reader sees the old text or the new one and never a half. Folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{threading.get_ident()}.new")
    fresh.write_text(text, "utf-8")
    os.replace(fresh, path)
