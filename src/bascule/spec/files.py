"""The files that a spec names, by the place that names them: secrets, certificates, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bascule.spec.model import Spec

Place = tuple[str, ...]  # such as ("notify", "receivers", "team", "slack", "url_file")
_OWN_STATE: Place = ("stack", "state")  # a folder that Bascule makes


def files_of(spec: Spec) -> dict[Place, Path]:
    """Every file that this spec names, whatever the key is called."""
    found = _paths((), spec.model_dump(by_alias=True, exclude_unset=True, exclude_none=True))
    return {place: path for place, path in found if place != _OWN_STATE}


def _paths(place: Place, value: Any) -> Iterator[tuple[Place, Path]]:
    if isinstance(value, Path):
        yield place, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _paths((*place, str(key)), part)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _paths((*place, str(number)), part)
