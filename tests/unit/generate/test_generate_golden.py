"""What stands in the repository is what the generator makes of its spec, through the real command line.

After a change that is meant, write them anew:

    bascule generate examples/supersmartmatch/spec.yaml --out examples/supersmartmatch/generated
    bascule generate tests/fixtures/golden/mapped/spec.yaml --out tests/fixtures/golden/mapped/generated
    bascule generate tests/fixtures/golden/minimal/spec.yaml --out tests/fixtures/golden/minimal/generated
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.spec import built_in_text

ROOT = Path(__file__).parents[3]
FOLDERS = [
    ROOT / "examples" / "supersmartmatch",
    ROOT / "tests" / "fixtures" / "golden" / "mapped",
    ROOT / "tests" / "fixtures" / "golden" / "minimal",
]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_kept_is_what_is_generated(bascule: Callable[..., Any], folder: Path) -> None:
    """`generate --check` finds no drift."""
    done = bascule("generate", folder / "spec.yaml", "--out", folder / "generated", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_drift_is_told_and_exits_1(bascule: Callable[..., Any], tmp_path: Path) -> None:
    """One changed character is enough, and nothing is written."""
    minimal = FOLDERS[2]
    out = shutil.copytree(minimal / "generated", tmp_path / "out")
    changed = out / "prometheus" / "prometheus.yml"
    text = changed.read_text("utf-8") + "# mine\n"
    changed.write_text(text, "utf-8")
    done = bascule("generate", minimal / "spec.yaml", "--out", out, "--check")
    assert done.returncode == 1
    assert "prometheus/prometheus.yml: differs from the spec" in done.stdout
    assert changed.read_text("utf-8") == text


def test_the_example_is_the_built_in_spec() -> None:
    """A reader of the example reads what ships."""
    assert (FOLDERS[0] / "spec.yaml").read_text("utf-8") == built_in_text()
