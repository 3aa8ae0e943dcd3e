"""What keeps the code easy to read: one meaning for each name, short functions, semantics of signals in one place."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import bascule
from bascule.spec import kinds
from bascule.spec.signals import SignalPart

SRC = Path(bascule.__file__).parent
ROOT = Path(__file__).parents[2]
KNOW_SIGNALS = ("spec", "promql")  # the rooms that may ask a signal for its kind
SMALL = 25  # nodes of the syntax tree: a line or two
SWITCHES = 5  # those that stand elsewhere, for what is no semantics of a signal


@cache
def modules() -> dict[str, ast.Module]:
    return {str(path.relative_to(SRC)): ast.parse(path.read_text("utf-8")) for path in SRC.rglob("*.py")}


def test_a_public_class_name_has_one_meaning():
    found = defaultdict(list)
    for name, module in modules().items():
        for node in module.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name)
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_what_a_signal_means_is_asked_of_the_signal():
    """A switch on the kind of a signal outside of `spec` and `promql` is knowledge that belongs to the kind's class."""
    classes = {name for name, each in vars(kinds).items() if isinstance(each, type) and issubclass(each, SignalPart)}
    classes |= {each.__name__ for each in _below(SignalPart)}
    found = [
        f"{name}:{line}"
        for name, module in modules().items()
        if name.split("/")[0] not in KNOW_SIGNALS
        for line in _switches(module, classes)
    ]
    assert len(found) <= SWITCHES, found


def _below(kind: type) -> Iterator[type]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _switches(module: ast.Module, classes: set[str]) -> Iterator[int]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked: ast.AST = node.args[1]
        elif isinstance(node, ast.MatchClass):
            asked = node.cls
        else:
            continue
        if classes & {each.id for each in ast.walk(asked) if isinstance(each, ast.Name)}:
            yield node.lineno


def test_no_files_import_each_other_in_a_circle():
    """Imports for types alone count too: whoever reads one of the files needs the others. A package's face does not."""
    order = TopologicalSorter({name: set(_imported(module)) for name, module in modules().items()})
    assert len([*order.static_order()]) >= len(modules())  # raises CycleError, which names the circle


def _imported(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bascule"):
            folder = node.module.replace(".", "/").removeprefix("bascule").lstrip("/")
            yield from {f"{folder}.py", *(f"{folder}/{each.name}.py".lstrip("/") for each in node.names)} & {*modules()}


def test_no_function_is_written_again_under_another_name():
    found = defaultdict(list)
    for name, module in modules().items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[_shape(node)].append(f"{name}:{node.name}")
    assert [places for shape, places in found.items() if shape and len(places) > 1] == []


def _shape(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What a function does, whatever it calls things; nothing of a function of a line or two."""
    names: dict[str, str] = {}
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    nodes = [node for statement in body for node in ast.walk(statement)]
    if len(nodes) < SMALL:
        return ""
    for node in [node for node in nodes if isinstance(node, ast.Name)]:
        names.setdefault(node.id, f"_{len(names)}")
    text = "\n".join(ast.dump(statement) for statement in body)
    return re.sub(r"Name\(id='(\w+)'", lambda found: f"Name(id='{names[found[1]]}'", text)


def test_how_a_specs_servers_are_entered_is_known_in_one_place():
    entered = re.compile(r"""\.credentials\(["'](prometheus|alertmanager)["']\)""")
    found = [str(path.relative_to(SRC)) for path in SRC.rglob("*.py") if entered.search(path.read_text("utf-8"))]
    assert found == ["api/servers.py"]


def test_times_are_written_in_one_place():
    written = [str(path.relative_to(SRC)) for path in SRC.rglob("*.py") if "+00:00" in path.read_text("utf-8")]
    assert written == ["times.py"]


KEEPING = ("api", "delivery", "incidents", "judge", "logs", "processes", "sla", "stack")  # rooms that have a state
# A log of a program's output, a folder's lock, and names that the log store's own recovery takes up
NO_STATE = {"processes/supervisor.py", "processes/holding.py", "stack/state.py", "logs/storing/disk.py"}
NO_STATE |= {"logs/storing/store.py"}
OWN_KEEPING = {"os.replace", "os.rename", "os.link", "os.fsync", "tempfile.mkstemp", "tempfile.NamedTemporaryFile"}


def test_what_is_kept_is_written_in_one_place():
    """`private` writes all or nothing, and is done when it is on disk."""
    found = [
        f"{name}:{node.lineno}: {ast.unparse(node.func)}"
        for name, module in modules().items()
        if name.split("/")[0] in KEEPING and name not in NO_STATE
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and _keeps_by_itself(node)
    ]
    assert found == []


def _keeps_by_itself(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name.split(".")[-1] in ("write_text", "write_bytes") or name in OWN_KEEPING:
        return True
    modes = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return name.split(".")[-1] in ("open", "opened") and any(set(mode) & set("wax") for mode in modes)


def test_half_of_the_functions_have_at_most_eight_lines():
    lengths = [
        node.end_lineno - node.lineno + 1
        for module in modules().values()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    assert median(lengths) <= 8


def test_the_formatter_formats_the_code():
    skipped = [path for path in SRC.rglob("*.py") for _ in range(path.read_text("utf-8").count("fmt: skip"))]
    assert len(skipped) < 20, skipped


def test_the_documents_floors_are_those_that_imports_are_held_to():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    drawn = (ROOT / "docs/architecture.md").read_text().partition("## Floors and rooms")[2].split("```")[1]
    floors = [re.match(r"\w+(?: \| \w+)*", line) for line in drawn.strip().splitlines()]
    assert [floor and floor[0] for floor in floors] == [layer.replace("bascule.", "") for layer in contract["layers"]]


def test_every_room_stands_on_a_floor():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    placed = {name for layer in contract["layers"] for name in layer.replace("bascule.", "").split(" | ")}
    rooms = {path.stem for path in SRC.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - placed == {"__init__", "__main__"}


def test_yaml_is_read_in_one_place():
    """There its size, depth and number of values are bounded, whoever wrote it."""
    reading = re.compile(r"\byaml\.(safe_load|load|full_load|unsafe_load|compose|parse|scan)(_all)?\(")
    found = [str(path.relative_to(SRC)) for path in SRC.rglob("*.py") if reading.search(path.read_text("utf-8"))]
    assert found == ["documents.py"]
