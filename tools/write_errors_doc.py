"""Write docs/errors.md: every error message in the code, with its fix, by the part that reports it.

The messages are read from the code, so none is missing: each call that makes an error, with the names of the values
that it fills in. `tests/unit/test_errors_doc.py` holds the page equal to the code, and every message to its form.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parent.parent
CODE = ROOT / "src" / "bascule"
PAGE = ROOT / "docs" / "errors.md"
HEAD = """# Error messages

Every error message of Bascule: what is wrong and where, then the fix. On the command line the fix is on a second line.
In a problem of a spec it follows in brackets, after the file, the line and the key
(`shop.yaml:12: signals.errors.total: … (…)`). Words in ‹ › are filled in. `tools/write_errors_doc.py` writes this page
from the code.
"""
TITLES = {
    "api": "HTTP API",
    "transport": "Servers that do not answer",
    "units": "Units",
    "cli": "Command line",
    "delivery": "Delivery of notices",
    "documents": "YAML",
    "discover": "`init` and `--verify`",
    "generate": "`generate`",
    "incidents": "Incidents and the plan",
    "judge": "Judge",
    "lab": "Lab",
    "logformat": "Log formats",
    "logs": "Logs",
    "patterns": "Patterns",
    "processes": "Programs and ports",
    "prometheus": "Prometheus and Alertmanager",
    "promql": "PromQL",
    "sla": "SLA reports",
    "slo": "SLAs",
    "spec": "Spec",
    "stack": "`up` and the state folder",
    "instrument": "Instrumentation",
    "alerts": "Alerts as data",
    "console": "Console",
    "scenarios": "Demo and drills",
    "checklist": "Checklist",
    "coverage": "Coverage",
}
# Where each class has what is wrong and the fix: positions among its arguments.
_BASE = "BasculeError"
_PLACES = {
    "Finding": (1, 2),
    "Problem": (1, 2),
    "Refused": (1, 2),
    "PatternError": (0, 2),
    "DocumentError": (2, 3),
    "_refused": (1, 2),
    "_cannot_read": (1, 2),
}
_WORDED = {"NotSelector": 0, "Contradiction": 0, "ValueError": 0, "HTTPException": 1}  # one text, `what; fix`
_SHAPED = ("spec",)  # where ValueError is a message: pydantic reports it
_INTERNAL = ("alerts",)  # contributors see these, not users
_UNNAMED = "‹…›"
_ASKED_FOR = ("Stopped",)  # the user's own Ctrl-C needs no fix


@dataclass(frozen=True, order=True)
class Message:
    """`what` and `fix` with ‹names› in place of values; `place`: file and line that make it."""

    what: str
    fix: str
    place: str = ""


@dataclass(frozen=True)
class Scope:
    """Where a message is made."""

    function: ast.FunctionDef | ast.AsyncFunctionDef
    module: ast.Module


@cache
def messages() -> dict[str, list[Message]]:
    """By part of Bascule: each message once, in alphabetical order."""
    found: dict[str, dict[tuple[str, str], Message]] = {}
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(CODE.rglob("*.py"))}
    errors = _errors(trees.values())
    for path, tree in trees.items():
        part = path.relative_to(CODE).parts[0].removesuffix(".py")
        for message in _of_module(path, tree, part, errors):
            if part not in _INTERNAL and _says_something(message.what):
                found.setdefault(part, {}).setdefault((message.what, message.fix), message)
    return {part: sorted(each.values()) for part, each in sorted(found.items())}


def page() -> str:
    lines = [HEAD]
    for part, found in messages().items():
        lines += [f"## {TITLES.get(part, part)}", "", "| what | fix |", "|---|---|"]
        lines += [f"| {_cell(each.what)} | {_cell(each.fix)} |" for each in found]
        lines.append("")
    return "\n".join(lines)


def _errors(trees: Iterable[ast.Module]) -> dict[str, str]:
    """The classes that derive from BasculeError, each with the fix that all its messages share."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {_BASE: ""}
    while more := [each for each in classes if each.name not in found and _bases(each) & found.keys()]:
        found |= {each.name: _shared_fix(each) for each in more}
    return found


def _bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base) for base in node.bases}


def _shared_fix(node: ast.ClassDef) -> str:
    """The text that the class itself gives to `super().__init__` as the fix."""
    for call in ast.walk(node):
        match call:
            case ast.Call(func=ast.Attribute(attr="__init__"), args=[_, ast.Constant(value=str(fix)), *_]):
                return fix
    return ""


def _of_module(path: Path, tree: ast.Module, part: str, errors: dict[str, str]) -> Iterator[Message]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in ast.walk(function):
                if isinstance(call, ast.Call):
                    yield from _of_call(
                        call, Scope(function, tree), part, errors, f"{path.relative_to(ROOT)}:{call.lineno}"
                    )
    if path.name == "values.py" and part == "spec":
        yield from _of_table(tree)


def _of_call(call: ast.Call, scope: Scope, part: str, errors: dict[str, str], place: str) -> Iterator[Message]:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in _ASKED_FOR:
        return
    if name in _PLACES or name in errors:
        at, then = _PLACES.get(name, (0, 1))
        arguments = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg in ("what", "fix"))]
        if len(arguments) > at and (what := _text(arguments[at], scope)):
            fix = _text(arguments[then], scope) if len(arguments) > then else errors.get(name, "")
            yield Message(what, fix, place)
    elif name in _WORDED and len(call.args) > _WORDED[name] and (name != "ValueError" or part in _SHAPED):
        what, _, fix = _text(call.args[_WORDED[name]], scope).partition("; ")
        if what:
            yield Message(what, fix, place)


def _of_table(tree: ast.Module) -> Iterator[Message]:
    """What pydantic finds, in our words: the table of `spec/reading/values.py`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            texts = [each.value for each in node.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if len(texts) == 2 and " " in texts[0]:
                yield Message(*(re.sub(r"\{(\w+)(?:!r)?\}", r"‹\1›", text) for text in texts))


def _text(node: ast.expr, scope: Scope) -> str:
    """A text as the code writes it; ‹name› where it comes from elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_piece(each, scope) for each in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, scope) + _text(right, scope)
        case ast.IfExp(body=body, orelse=other):
            return " / ".join(filter(None, (_text(body, scope), _text(other, scope))))
        case ast.Name(id=name):
            known = _constant(name, scope.module) or _assigned(name, node.lineno, scope)
            return known if known not in ("", _UNNAMED) else f"‹{_name(node)}›"
        case ast.Call(func=ast.Attribute(attr="join"), args=[ast.Name(id=name)]):
            return _constant(name, scope.module) or f"‹{_name(node)}›"
    return f"‹{_name(node)}›"


def _constant(name: str, module: ast.Module) -> str:
    """A constant as a message shows it: from the module, or from the one that it is imported from; else nothing."""
    for node in ast.walk(module):
        if _gives(node, name) and name.isupper():
            return _literal(node.value)
        if isinstance(node, ast.ImportFrom) and node.module and name in {each.name for each in node.names}:
            return _constant(name, _imported(node.module))
    return ""


@cache
def _imported(module: str) -> ast.Module:
    """A module of Bascule, parsed; an empty one for any other."""
    base = CODE.joinpath(*module.split(".")[1:])
    found = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()]
    return ast.parse(found[0].read_text("utf-8") if found else "")


def _literal(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=str() | int() | float() as value):
            return f"{value:g}" if isinstance(value, float) else str(value)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) if all(map(_literal, parts)):
            return ", ".join(map(_literal, parts))
    return ""


def _piece(node: ast.expr, scope: Scope) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.FormattedValue)
    known = _text(node.value, scope)
    return known if len(known) < 60 else f"‹{_name(node.value)}›"


def _assigned(name: str, line: int, scope: Scope) -> str:
    """What a name was given last before a line: in the function, else in the module."""
    for place in (ast.walk(scope.function), scope.module.body):
        found = [node for node in place if _gives(node, name) and node.lineno < line]
        if found and (value := max(found, key=lambda node: node.lineno).value) is not None:
            return _text(value, scope)
    return ""


def _gives(node: ast.AST, name: str) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name


def _name(node: ast.expr) -> str:
    """What a value is called: the last name in its expression that says something."""
    match node:
        case ast.Name(id=name):
            return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).strip("_").replace("_", " ").lower()
        case ast.Attribute(attr=name, value=value):
            whole = f"{_name(value)} {name}" if name in ("name", "status", "id") else name
            return whole.replace("_", " ").strip()
        case ast.Call(func=ast.Attribute(attr="join"), args=[inner, *_]):
            return _name(inner)
        case ast.Call(args=[inner, *_]):
            return _name(inner)
        case ast.Call(func=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
            return _name(inner)
        case ast.GeneratorExp(generators=[first, *_]) | ast.ListComp(generators=[first, *_]):
            return _name(first.iter)
        case ast.BinOp(left=left, right=right):
            return _name(right if isinstance(left, ast.Constant) else left)
        case ast.BoolOp(values=[first, *_]):
            return _name(first)
    return "…"


def _says_something(what: str) -> bool:
    """Not a message that is only passed on."""
    return bool(re.search(r"\w", re.sub(r"‹[^›]*›", "", what)))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
