"""What stands in the repository is what the generator makes of its spec, through the real command line.

After a change that is meant, write them anew:

    bascule generate examples/supersmartmatch/spec.yaml --out examples/supersmartmatch/generated
    bascule generate tests/fixtures/golden/mapped/spec.yaml --out tests/fixtures/golden/mapped/generated
    bascule generate tests/fixtures/golden/minimal/spec.yaml --out tests/fixtures/golden/minimal/generated
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.spec import built_in_text

ROOT = Path(__file__).parents[3]
FOLDERS = [
    ROOT / "examples" / "supersmartmatch",
    ROOT / "tests" / "fixtures" / "golden" / "mapped",
    ROOT / "tests" / "fixtures" / "golden" / "minimal",
]


def check(folder: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bascule", "generate", str(folder / "spec.yaml"), "--out", str(out), "--check"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_kept_is_what_is_generated(folder: Path) -> None:
    """`generate --check` finds no drift."""
    done = check(folder, folder / "generated")
    assert done.returncode == 0, done.stdout + done.stderr


def test_drift_is_told_and_exits_1(tmp_path: Path) -> None:
    """One changed character is enough, and nothing is written."""
    minimal = FOLDERS[2]
    out = shutil.copytree(minimal / "generated", tmp_path / "out")
    changed = out / "prometheus" / "prometheus.yml"
    text = changed.read_text("utf-8") + "# mine\n"
    changed.write_text(text, "utf-8")
    done = check(minimal, out)
    assert done.returncode == 1
    assert "prometheus/prometheus.yml: differs from the spec" in done.stdout
    assert changed.read_text("utf-8") == text


def test_the_example_is_the_built_in_spec() -> None:
    """A reader of the example reads what ships."""
    assert (FOLDERS[0] / "spec.yaml").read_text("utf-8") == built_in_text()
