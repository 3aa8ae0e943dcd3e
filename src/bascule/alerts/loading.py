"""The catalogue: one file for each alert, read and checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from pydantic import ValidationError

from bascule.alerts.entry import AlertEntry
from bascule.conventions import Alert
from bascule.errors import BasculeError

_ORDER = {name: index for index, name in enumerate(Alert)}
FIX = "CONTRIBUTING.md says how an alert is written"


class _Loader(yaml.CBaseLoader):
    """Every value is text (`0x60` is not a number here); a duplicate key is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"duplicate key {key!r}", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


@cache
def catalogue() -> Mapping[str, AlertEntry]:
    """Every alert by its form, in the order of their rules; BasculeError names the file that is wrong."""
    return read_folder(resources.files("bascule.alerts").joinpath("catalogue"))


def read_folder(folder: Traversable) -> Mapping[str, AlertEntry]:
    """The alerts of a folder's `*.yaml` files."""
    files = [file for file in folder.iterdir() if file.name.endswith(".yaml")]
    entries = [_read(file.name, file.read_text("utf-8")) for file in files]
    return {entry.form: entry for entry in sorted(entries, key=_place)}


def entries_of(name: str) -> Sequence[AlertEntry]:
    """All forms of an alert; none when it is not ours."""
    return _by_name().get(name, ())


@cache
def _by_name() -> Mapping[str, Sequence[AlertEntry]]:
    entries = catalogue().values()
    return {name: [entry for entry in entries if entry.name == name] for name in {entry.name for entry in entries}}


def _place(entry: AlertEntry) -> tuple[int, str]:
    return _ORDER.get(entry.name, len(_ORDER)), entry.form  # type: ignore[call-overload]


def _read(name: str, text: str) -> AlertEntry:
    try:
        data = yaml.load(text, _Loader)
        if not isinstance(data, dict):
            raise BasculeError(f"{name}: an alert is a mapping of keys", FIX)
        return AlertEntry.model_validate({"form": name.removesuffix(".yaml"), **data})
    except yaml.YAMLError as error:
        raise BasculeError(f"{name}: not YAML: {' '.join(str(error).split())}", FIX) from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the alert'}: {e['msg']}" for e in error.errors())
        raise BasculeError(f"{name}: {said}", FIX) from error
