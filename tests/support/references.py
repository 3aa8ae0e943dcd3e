"""What documents, docstrings and comments refer to, and what there is to refer to."""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import typer
import yaml

from bascule import conventions
from bascule.alerts import catalogue
from bascule.cli.commands import app
from bascule.generate import generate
from bascule.spec import BUILT_IN, Spec, load
from bascule.spec.kinds import KINDS
from bascule.spec.presets import presets
from bascule.spec.reading.shape import inside, keys_of

PAGES = [Path("README.md"), *sorted(Path("docs").rglob("*.md")), *sorted(Path("examples").glob("*/*.md"))]
CODE = [path for folder in ("src", "bench", "tools") for path in sorted(Path(folder).rglob("*.py"))]
GOLDEN = Path("tests/fixtures/golden")
SPECS = (BUILT_IN, *sorted(GOLDEN.glob("*/spec.yaml")), *sorted(Path("examples").glob("*/spec.yaml")))
OF_EXPORTERS = {"redis_uptime_in_seconds", "probe_http_duration_seconds"}  # theirs, which people look at by hand


@dataclass(frozen=True)
class Text:
    """A piece of a page: a code span, a link's target, or a line of a code block."""

    page: Path
    line: int
    kind: str
    content: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.content}"


# ---------------------------------------------------------------- what is referred to

SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")


@cache
def texts() -> list[Text]:
    """Of every page, and of the docstrings and comments of every module."""
    return [text for page in PAGES for text in _of_page(page)] + [text for path in CODE for text in _of_module(path)]


def _of_page(page: Path) -> Iterator[Text]:
    in_block = False
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            in_block = not in_block
        elif in_block:
            yield Text(page, number, "block", line.strip())
        else:
            yield Text(page, number, "prose", line.strip())
            yield from (Text(page, number, "span", found) for found in SPAN.findall(line))
            yield from (Text(page, number, "link", found) for found in LINK.findall(line))


def _of_module(path: Path) -> Iterator[Text]:
    for node in ast.walk(_trees()[path]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield Text(path, node.lineno, "message", node.value)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = getattr(node, "lineno", 1)
            yield from _of_prose(path, first, ast.get_docstring(node) or "")
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield from _of_prose(path, token.start[0], token.string)


def _of_prose(path: Path, first: int, prose: str) -> Iterator[Text]:
    for offset, line in enumerate(prose.splitlines()):
        yield Text(path, first + offset, "prose", line.strip())
        yield from (Text(path, first + offset, "span", found) for found in SPAN.findall(line))


# ---------------------------------------------------------------- what there is


def command_at(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words lead to, and the words that are left."""
    command = _whole_command()
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


@cache
def _whole_command() -> Any:
    return typer.main.get_command(app)


@cache
def generated() -> list[tuple[str, str]]:
    """Every file that is generated from any of the specs."""
    return [file for spec in SPECS for file in generate(load(spec)).items()]


@cache
def _trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in CODE}


@cache
def written_names() -> set[str]:
    """Every part of a path that stands in the code as text, such as the names of files that a role writes."""
    nodes = (node for tree in _trees().values() for node in ast.walk(tree))
    constants = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {part for text in constants if len(text) < 80 for part in re.split(r"[/\s{}]", text)}


@cache
def classes() -> set[str]:
    """Ours and Python's own."""
    nodes = (node for tree in _trees().values() for node in ast.walk(tree))
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)} | set(dir(builtins))


@cache
def rules() -> list[dict[str, Any]]:
    files = (text for path, text in generated() if path.startswith("prometheus/rules/"))
    return [rule for text in files for group in yaml.load(text, yaml.CSafeLoader)["groups"] for rule in group["rules"]]


@cache
def alerts() -> set[str]:
    """Of the generated rules, and of the catalogue: some are for parts that these specs do not have."""
    named = {entry.name for entry in catalogue().values()} | set(conventions.Alert)
    return {rule["alert"] for rule in rules() if "alert" in rule} | named


EXPOSITIONS = Path(__file__).parents[1] / "fixtures" / "expositions"


@cache
def metrics() -> set[str]:
    """The names of series: those of the canonical table, those recorded, and those that generated rules read."""
    suffixes = {"counter": [""], "gauge": [""], "histogram": ["", "_bucket", "_sum", "_count"]}
    own = {each.name + suffix for each in conventions.METRICS for suffix in suffixes[each.kind]}
    recorded = {rule["record"] for rule in rules() if "record" in rule} | set(conventions.Recorded)
    read = {name for rule in rules() for name in series_of(promql_parser.parse(rule["expr"]))}
    return own | recorded | read | {name.removesuffix("_bucket") for name in read} | OF_EXPORTERS | of_others()


def of_others() -> set[str]:
    """The names of series of other libraries and proxies: those on recorded pages, and those that presets tell of."""
    pages = "\n".join(page.read_text("utf-8") for page in EXPOSITIONS.glob("*.txt"))
    told = " ".join(" ".join(map(str, preset.model_dump().values())) for preset in presets())
    names = set(re.findall(r"^[a-z_]+", pages, re.MULTILINE)) | set(re.findall(r"[a-z]+_[a-z_]+", told))
    return names | {name.removesuffix("_bucket") for name in names}


def series_of(node: Any) -> Iterator[str]:
    """The names of the series that an expression reads."""
    if isinstance(node, promql_parser.VectorSelector) and node.name:
        yield str(node.name)
    for name in ("vector_selector", "expr", "lhs", "rhs", "param"):
        if (inner := getattr(node, name, None)) is not None and not isinstance(inner, str):
            yield from series_of(inner)
    for inner in getattr(node, "args", ()):
        yield from series_of(inner)


def has_key(dotted: str) -> bool:
    """Whether a spec can have this key, such as `stack.scrape.interval`, or `slas.availability.window`."""
    kinds: list[Any] = [Spec]
    for step in dotted.split("."):
        kinds = [found for kind in kinds for found in _kinds_at(kind, step)]
    return bool(kinds)


def _kinds_at(kind: Any, step: str) -> Iterator[Any]:
    for signal in KINDS:
        tag = {"kind": signal.model_fields["kind"].annotation.__args__[0]}
        value = [{}] if step.isdigit() else tag | {step: {}}
        yield from (found for key, found, _ in inside(kind, value) if str(key) in (step, "0"))


def every_key() -> set[str]:
    """Every key that any part of a spec declares."""
    from bascule.spec.part import Part

    def below(part: type[Part]) -> Iterator[str]:
        yield from keys_of(part)
        for each in part.__subclasses__():
            yield from below(each)

    return set(below(Part))
