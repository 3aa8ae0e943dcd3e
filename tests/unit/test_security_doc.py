"""SECURITY.md names all that starts a process and all that listens, so that a new one is looked at."""

from __future__ import annotations

import re
from pathlib import Path

from bascule.spec.model import Ports

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
STARTING = re.compile(
    r"\b(subprocess\.(run|Popen|check_\w+|call)\(|os\.(system|exec\w+|spawn\w+|popen)\(|create_subprocess)"
)
SOURCE = ROOT / "src" / "bascule"


def test_every_file_that_starts_a_process_is_listed():
    starting = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if STARTING.search(path.read_text("utf-8"))
    }
    assert set(re.findall(r"`([\w/]+\.py)`", TEXT)) - {"transport.py", "documents.py"} == starting


def test_every_port_is_listed():
    assert [port for port in Ports.model_fields if not re.search(rf"\b{port}\b", TEXT)] == []


def test_every_secret_of_the_spec_is_listed():
    fields = set(
        re.findall(
            r"^\s+(\w+_file)\s*:", "\n".join(p.read_text("utf-8") for p in (SOURCE / "spec").rglob("*.py")), re.M
        )
    )
    assert (
        sorted(
            field for field in fields if f"`{field}`" not in TEXT and f".{field}`" not in TEXT and field != "ca_file"
        )
        == []
    )
