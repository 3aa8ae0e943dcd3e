"""What the documents and docstrings name is there: files, commands, options, keys of a spec, metrics and alerts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
import yaml
from references import (
    PAGES,
    SPECS,
    Text,
    alerts,
    classes,
    command_at,
    every_key,
    generated,
    has_key,
    metrics,
    texts,
    written_names,
)

from bascule.spec import Spec, load, parse, starter_text
from bascule.spec.reading.shape import keys_of

ROOT = Path(".")


def of_kind(*kinds: str) -> list[Text]:
    return [text for text in texts() if text.kind in kinds]


# ---------------------------------------------------------------- files

NAMED_FILE = re.compile(r"(?<![\w/.-])(?:docs|tests|tools|bench|src|examples)/[\w./*-]*\w")
FILE = re.compile(r"(?:[\w.-]+/)*[\w-]+\.(?:py|md|rb|ya?ml|json|sh|toml)|(?:[\w-]+/)+")


def files_named(text: Text) -> Iterable[str]:
    if text.kind == "link":
        return [text.content.partition("#")[0]] if not text.content.startswith(("http", "#")) else []
    return [*NAMED_FILE.findall(text.content), *([text.content] if FILE.fullmatch(text.content) else [])]


@cache
def is_there(name: str, folder: Path) -> bool:
    """In the project, in the page's folder, among what is generated, or written by a program of ours."""
    places = (ROOT, folder, ROOT / "src", ROOT / "src/bascule")
    if any(place.joinpath(name).exists() for place in places) or any(name in path for path, _ in generated()):
        return True
    if "/" not in name and name.endswith(".py"):
        return any(ROOT.glob(f"src/**/{name}"))
    parts = [part for part in name.split("/") if part and not Path(part).stem.isupper()]  # NAME stands for one of many
    return parts != [] and all(part in written_names() for part in parts)


def test_every_file_that_is_named_is_there() -> None:
    named = [(text, name) for text in texts() for name in files_named(text)]
    assert len(named) > 100
    assert [str(text) for text, name in named if not is_there(name, text.page.parent)] == []


# ---------------------------------------------------------------- commands

COMMAND = re.compile(r"(?:\$ )?(?:[A-Z_]+=\S+ )*(bascule [a-z-][^#]*)")
IN_MESSAGE = re.compile(r"`(bascule [a-z-][^`]*)`")
OPTION = re.compile(r"--[a-z][a-z-]*")


def commands_named(text: Text) -> list[str]:
    if text.kind in ("span", "block"):
        return [found[1]] if (found := COMMAND.match(text.content)) else []
    return IN_MESSAGE.findall(text.content) if text.kind == "message" else []


def wrong_in_command(line: str) -> list[str]:
    """What of a command line is not there: the command, an option, or SPEC where it is not an argument."""
    command, rest = command_at(line.split()[1:])
    if hasattr(command, "commands"):
        return [] if not rest or rest[0].startswith("-") else [rest[0]]
    options = {each for parameter in command.params for each in parameter.opts} | {"--help"}
    wrong = [option for option in OPTION.findall(" ".join(rest)) if option not in options]
    takes_spec_first = any(parameter.metavar == "SPEC" for parameter in command.params)
    return wrong + (["SPEC"] if rest[:1] == ["SPEC"] and not takes_spec_first else [])


def test_every_command_that_is_named_is_there_with_its_options() -> None:
    named = [(text, line) for text in texts() for line in commands_named(text)]
    assert len(named) > 60
    assert [(str(text), wrong) for text, line in named if (wrong := wrong_in_command(line))] == []


def test_every_target_of_make_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.MULTILINE))
    named = [
        (text, found) for text in of_kind("span", "block") for found in re.findall(r"^make ([a-z-]+)", text.content)
    ]
    assert len(named) > 10
    assert [str(text) for text, target in named if target not in targets] == []


def test_every_benchmark_and_long_test_that_is_named_is_there() -> None:
    named = [(text, found) for text in texts() for found in re.findall(r"\bNAME=([a-z]\w+)", text.content)]
    assert len(named) > 5
    kept = ("bench/{}.py", "chaos/{}.py", "tests/*/test_{}.py")  # as the Makefile finds them
    assert [str(text) for text, name in named if not any(any(ROOT.glob(form.format(name))) for form in kept)] == []


def test_every_test_that_is_named_is_there() -> None:
    there = {name for path in Path("tests").rglob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    there |= {path.stem for path in Path("tests").rglob("test_*.py")}
    named = [(text, name) for text in of_kind("span", "prose") for name in re.findall(r"\btest_\w+", text.content)]
    assert [str(text) for text, name in named if name not in there] == []


# ---------------------------------------------------------------- keys of a spec

TOP_LEVEL = "|".join(keys_of(Spec))
DOTTED = re.compile(rf"(?<![\w./-])(?:{TOP_LEVEL})(?:\.[a-z_0-9]+)+(?![\w(])")
WITH_VALUE = re.compile(r"([a-z_]+): \S.*")
OF_OTHERS = {  # in Prometheus' and Alertmanager's own files
    "keep_firing_for", "group_by", "severity", "metric_name_escaping_scheme", "always_scrape_classic_histograms",
    "scrape_classic_histograms", "honor_timestamps", "continue",
}  # fmt: skip


def test_every_key_that_is_named_is_one_of_a_spec() -> None:
    """In documents, docstrings, and in what is said to users."""
    named = [(text, key) for text in of_kind("prose", "message") for key in DOTTED.findall(text.content)]
    named = [(text, key) for text, key in named if not FILE.fullmatch(key)]
    assert len(named) > 40
    assert [f"{text.page}:{text.line}: {key}" for text, key in named if not has_key(key)] == []


def test_every_key_that_is_shown_with_a_value_is_one_of_a_spec() -> None:
    """Such as `calendar: month`."""
    shown = [(text, found[1]) for text in of_kind("span") if (found := WITH_VALUE.fullmatch(text.content))]
    known = every_key() | OF_OTHERS | {name for spec in SPECS for name in load(spec).slas.named}
    assert len(shown) > 10
    assert [str(text) for text, key in shown if key not in known] == []


@pytest.mark.parametrize(
    ("key", "there"),
    [
        ("judge.tick", True),
        ("judge.tik", False),
        ("slas.availability.window", True),
        ("slas.availability.windows", False),
        ("phases.0.share", True),
        ("signals.errors.harmful_increase", True),
        ("stack.ports.nobody", False),
    ],
)
def test_a_key_is_looked_for_where_it_would_stand(key: str, there: bool) -> None:
    assert has_key(key) is there


def blocks() -> list[tuple[str, str]]:
    pages = ((page, re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)) for page in PAGES)
    every = [(f"{page}: {block.splitlines()[0]}", block) for page, found in pages for block in found]
    return [(name, block) for name, block in every if set(yaml.safe_load(block)) <= set(keys_of(Spec))]


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in blocks()])
def test_every_example_of_a_spec_can_be_written_into_one(block: str) -> None:
    """Alone where it is whole, else as a part of the starter."""
    parts = yaml.safe_load(block)
    whole = parts if "apiVersion" in parts else {**yaml.safe_load(starter_text()), **parts}
    parse(yaml.safe_dump(whole, sort_keys=False))


# ---------------------------------------------------------------- metrics and alerts

RECORDED = re.compile(r"[a-z_]+(?::[a-z0-9_]+)+")
OURS = re.compile(r"(?:bascule|supersmartmatch)_[a-z_]+")
USUAL = re.compile(r"[a-z_]+_(?:total|seconds|bytes|ratio)")
NO_SERIES = {"host:port", "level:metric:operations", "shop:x:rate5m"}  # forms that a name has
SOURCE_DOCUMENT = " ".join(path.read_text("utf-8") for path in Path("tests/fixtures/source-document").glob("*.*"))


def name_of(text: Text) -> str:
    return text.content.partition("{")[0]


def looks_like_series(name: str, page: Path) -> bool:
    """In code, `reminder_seconds` is an attribute rather than a metric."""
    usual = page.suffix == ".md" and USUAL.fullmatch(name)
    return name not in NO_SERIES and bool(RECORDED.fullmatch(name) or OURS.fullmatch(name) or usual)


def is_metric(name: str, page: Path) -> bool:
    """A whole name, the beginning or the end of some, or one that the source document has and is quoted from it."""
    if page.name == "source-defects.md" and name in SOURCE_DOCUMENT:
        return True
    parts = (each.endswith(name) if name.startswith("_") else each.startswith(f"{name}_") for each in metrics())
    return name in metrics() or any(parts)


def test_every_metric_that_is_named_is_there() -> None:
    named = [text for text in of_kind("span") if looks_like_series(name_of(text), text.page)]
    assert len(named) > 100
    assert [str(text) for text in named if not is_metric(name_of(text), text.page)] == []


def test_every_alert_that_is_named_is_there() -> None:
    named = [text for text in of_kind("span") if re.fullmatch(r"(?:[A-Z][a-z0-9]+){2,}", text.content)]
    assert len(named) > 50
    assert [str(text) for text in named if text.content not in alerts() | classes()] == []
