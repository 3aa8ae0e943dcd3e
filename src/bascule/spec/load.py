"""Reading a spec: YAML with line numbers, so that every problem names its file, line and key."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from bascule.errors import Problem, SpecError
from bascule.spec import model, signals
from bascule.spec.bounds import bounds
from bascule.spec.clashes import clashes
from bascule.spec.lint import lint
from bascule.spec.model import Spec
from bascule.spec.selector import NotSelector

BUILT_IN = "supersmartmatch"
VARIABLE = "BASCULE_SPEC"  # of the environment: the spec of every command that is given none
DEEPEST = 50
MOST_KEYS = 100_000
TOO_DEEP = Problem(1, "", "it is nested without end, or far too large", "write it without YAML aliases (&, *)")
Key = tuple[str | int, ...]


class Lines:
    """Where each key of a YAML document stands (1-based lines), and its value (1-based columns)."""

    def __init__(self) -> None:
        self.of: dict[Key, int] = {}
        self.columns: dict[Key, int] = {}

    def nearest(self, key: Key) -> int:
        """The line of `key`, or of the closest enclosing key that is in the file."""
        while key and key not in self.of:
            key = key[:-1]
        return self.of.get(key, 1)


def built_in_text() -> str:
    """The SuperSmartMatch spec that ships with the package."""
    return resources.files("bascule.spec").joinpath(f"{BUILT_IN}.yaml").read_text("utf-8")


def starter_text() -> str:
    """As short as a spec can be: what `bascule init` writes."""
    return resources.files("bascule.spec").joinpath("starter.yaml").read_text("utf-8")


def load(path: Path | str) -> Spec:
    """The spec in a file, or the built-in one for `supersmartmatch`; SpecError lists every problem."""
    if str(path) == BUILT_IN:
        return parse(built_in_text(), f"{BUILT_IN}.yaml (built in)")
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError as error:
        mend = f"name a spec that is there, or {BUILT_IN} for the built-in one; `bascule init` writes a starter"
        raise SpecError(path, [Problem(1, "", "cannot be read: there is no such file", mend)]) from error
    except OSError as error:
        raise SpecError(path, [Problem(1, "", f"cannot be read: {error.strerror}", "give a file")]) from error
    except UnicodeDecodeError as error:
        raise SpecError(path, [Problem(1, "", f"cannot be read: {error}", "give a spec in UTF-8")]) from error
    return parse(text, path)


def parse(text: str, path: Path | str = "spec.yaml") -> Spec:
    lines = Lines()
    document = _read_yaml(text, path, lines)
    try:
        spec = Spec.model_validate(document)
    except ValidationError as error:
        raise SpecError(path, [_problem(e, document, lines) for e in error.errors()]) from error
    findings = (*lint(spec), *bounds(spec), *clashes(spec))
    problems = [Problem(lines.nearest(f.key), ".".join(map(str, f.key)), f.what, f.mend) for f in findings]
    if problems:
        raise SpecError(path, problems)
    return spec


def _read_yaml(text: str, path: Path | str, lines: Lines) -> dict[str, Any]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError as error:
        raise SpecError(path, [TOO_DEEP]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = f"not YAML: {getattr(error, 'problem', None) or error}"
        raise SpecError(path, [Problem(mark.line + 1 if mark else 1, "", what, "mend the syntax")]) from error
    if not isinstance(node, yaml.MappingNode):
        mend = "start with apiVersion: bascule/v1; `bascule init` writes a starter"
        raise SpecError(path, [Problem(1, "", "a spec is a mapping of keys", mend)])
    problems: list[Problem] = []
    document: dict[str, Any] = _plain(node, (), lines, problems)
    if problems:
        raise SpecError(path, problems)
    return document


def _plain(node: yaml.Node, key: Key, lines: Lines, problems: list[Problem]) -> Any:
    if len(key) > DEEPEST or len(lines.of) > MOST_KEYS:  # an alias of itself, or aliases of aliases
        if TOO_DEEP not in problems:
            problems.append(TOO_DEEP)
        return None
    lines.of.setdefault(key, node.start_mark.line + 1)
    lines.columns[key] = node.start_mark.column + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, key, lines, problems)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*key, index), lines, problems) for index, item in enumerate(node.value)]
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    """A value of YAML; times stay as they are written (`18:30` is no number here, and no date is invalid)."""
    is_time = node.tag.endswith(":timestamp") or ":" in node.value
    try:
        return node.value if is_time else yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError):  # `!!int seven`: told where the value is wanted, as text that does not fit
        return node.value


def _mapping(node: yaml.MappingNode, key: Key, lines: Lines, problems: list[Problem]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(Problem(line, ".".join(map(str, key)), "a key is a list or a mapping", "write plain text"))
            continue
        name = str(key_node.value)
        if name in result:
            problems.append(Problem(line, ".".join(map(str, (*key, name))), "stands twice", "keep one of the two"))
        lines.of[(*key, name)] = line
        result[name] = _plain(value_node, (*key, name), lines, problems)
    return result


def _problem(error: Any, document: dict[str, Any], lines: Lines) -> Problem:
    key = _in_file(error["loc"], document)
    what = error["msg"].removeprefix("Value error, ")
    mend = ""
    if error["type"] == "extra_forbidden":
        what, mend = "unknown key", _suggestion(key)
    elif error["type"] == "missing":
        what, mend = "missing", f"add {key[-1]!r}"
    elif error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] == model.NAME:
        what, mend = f"{error['input']!r} is not a name", "write letters, digits, '_', '.' and '-', a letter first"
    elif error["type"] == "literal_error":
        what = f"{error['input']!r} is not one of {error['ctx']['expected']}"
    is_selector = isinstance(error.get("ctx", {}).get("error"), NotSelector)
    column = lines.columns.get(key, 0) if is_selector else 0
    return Problem(lines.nearest(key), ".".join(map(str, key)), what, mend, column)


def _in_file(location: tuple[str | int, ...], document: Any) -> Key:
    """Drop the steps pydantic adds that a file does not have: `named`, a union's tag, `[key]`."""
    key: list[str | int] = []
    here = document
    for index, step in enumerate(location):
        if _has(here, step):
            here = here[step]
        elif index < len(location) - 1 or step in ("named", "[key]"):
            continue
        key.append(step)
    return tuple(key)


def _has(container: Any, step: str | int) -> bool:
    if isinstance(container, list):
        return isinstance(step, int) and step < len(container)
    return isinstance(container, dict) and step in container


def _suggestion(key: Key) -> str:
    close = difflib.get_close_matches(str(key[-1]), _known_keys(), n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else "see `bascule schema` for the keys there are"


def _known_keys() -> set[str]:
    names = (vars(model) | vars(signals)).values()
    parts = [part for part in names if isinstance(part, type) and issubclass(part, BaseModel)]
    return {field.alias or name for part in parts for name, field in part.model_fields.items()}
