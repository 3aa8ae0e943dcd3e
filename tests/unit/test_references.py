"""What the documents and docstrings name is there: files, commands, options, keys of a spec, metrics and alerts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from references import Text, generated, texts

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


def is_there(name: str, page: Path) -> bool:
    """In the project, beside the page, or among what is generated or kept while the stack runs."""
    places = (ROOT, page.parent, ROOT / "src", ROOT / "src/bascule", ROOT / "docs")
    return any(place.joinpath(name).exists() for place in places) or any(name in path for path in generated())


def test_every_file_that_is_named_is_there() -> None:
    named = [(text, name) for text in texts() for name in files_named(text)]
    assert len(named) > 100
    assert [str(text) for text, name in named if not is_there(name, text.page)] == []
