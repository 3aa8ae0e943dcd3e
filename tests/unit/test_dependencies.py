"""What `pip install bascule[all]` brings is what src imports: no more, no less."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
SOURCE = Path("src/bascule")
FRAMEWORKS = {"django", "flask", "starlette", "werkzeug"}  # a service that uses bascule.instrument brings its own


def distribution(requirement: str) -> str:
    """`PyYAML>=6` is `pyyaml`."""
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def modules_used(path: Path) -> Iterator[str]:
    """Top-level modules that a file imports, or runs with `python -m`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]
        elif isinstance(node, ast.Tuple | ast.List | ast.Call):
            yield from _run_as_module(node.args if isinstance(node, ast.Call) else node.elts)


def _run_as_module(items: list[ast.expr]) -> Iterator[str]:
    words = [item.value if isinstance(item, ast.Constant) else None for item in items]
    for flag, name in pairwise(words):
        if flag == "-m" and isinstance(name, str):
            yield name.partition(".")[0]


def third_party(paths: Iterator[Path]) -> set[str]:
    names = {name for path in paths for name in modules_used(path)}
    return names - set(sys.stdlib_module_names) - {"bascule"}


def distributions_of(modules: set[str]) -> set[str]:
    owners = packages_distributions()
    return {owners[module][0].lower().replace("_", "-") for module in modules}


def test_the_runtime_dependencies_are_what_src_imports() -> None:
    """A package that src never imports costs every user its download; one that is not declared fails by chance."""
    runtime = {distribution(each) for each in PROJECT["dependencies"]}
    runtime |= {
        distribution(each)
        for name, extra in EXTRAS.items()
        if name not in ("all", "dev", "lines", "bench", "fuzz")
        for each in extra
    }
    assert distributions_of(third_party(SOURCE.rglob("*.py"))) - {"django", "werkzeug"} == runtime


def test_a_service_that_is_instrumented_needs_prometheus_client_alone() -> None:
    """Besides the framework that it uses anyway."""
    assert third_party((SOURCE / "instrument").rglob("*.py")) <= FRAMEWORKS | {"prometheus_client"}
    assert [distribution(each) for each in PROJECT["dependencies"]] == ["prometheus-client"]


def test_all_holds_every_runtime_extra() -> None:
    (every,) = EXTRAS["all"]
    assert (
        every == f"bascule[{','.join(name for name in EXTRAS if name not in ('all', 'dev', 'lines', 'bench', 'fuzz'))}]"
    )
