"""Every sentence of a report: a file of `languages/` each language. A test holds that all have the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

from bascule.documents import read_yaml

LANGUAGES: Final = ("en", "fr")


@cache
def sentences(language: str) -> Mapping[str, str]:
    """The sentences of one of LANGUAGES by their keys; `{name}` in them is filled in."""
    file = resources.files("bascule.sla.render").joinpath("languages", f"{language}.yaml")
    found: Mapping[str, str] = read_yaml(file.read_text("utf-8"), file.name)
    return found


def text(language: str, key: str, **values: object) -> str:
    """A sentence in a language; what no text names (a user's own objective) is shown as it is called."""
    sentence = sentences(language).get(key)
    if sentence is None:
        return key.partition(".")[2].replace("_", " ") or key
    return sentence.format(**values)
