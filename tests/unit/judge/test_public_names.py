"""The room's door: what `bascule.judge` names is all that others use, so its files may move."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule import judge

ROOT = Path(__file__).parents[3]
OUTSIDE = sorted(
    path
    for folder in ("src", "tests", "bench")
    for path in (ROOT / folder).rglob("*.py")
    if not path.is_relative_to(ROOT / "src/bascule/judge")
)


def names_used(path: Path) -> Iterator[str]:
    """What a file imports from the room; a module of its inside is named in full."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "bascule.judge":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bascule.judge."):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("bascule.judge."))


def test_all_names_are_there_once_and_in_order():
    assert judge.__all__ == sorted(set(judge.__all__))
    assert not [name for name in judge.__all__ if not hasattr(judge, name)]
    assert not isinstance(judge.backtest, types.ModuleType)  # a folder has the function's name


def test_whatever_the_room_shows_is_in_its_list():
    shown = {name for name, value in vars(judge).items() if not isinstance(value, types.ModuleType)}
    assert {name for name in shown if not name.startswith("_")} - {"annotations"} == set(judge.__all__)


def test_others_use_the_public_names_alone():
    used = {(str(path.relative_to(ROOT)), name) for path in OUTSIDE for name in names_used(path)}
    assert used  # somebody does
    assert not sorted((path, name) for path, name in used if name not in judge.__all__)


@pytest.mark.parametrize("text", ["from bascule.judge.x import y", "import bascule.judge.x"])
def test_a_file_that_reaches_inside_is_noticed(tmp_path, text):
    path = tmp_path / "a.py"
    path.write_text(text)
    assert list(names_used(path)) == ["bascule.judge.x"]
