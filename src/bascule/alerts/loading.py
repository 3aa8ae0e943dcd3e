"""The catalogue: one file for each alert, read and checked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from pydantic import ValidationError

from bascule.alerts.entry import AlertEntry
from bascule.conventions import Alert
from bascule.documents import DocumentError, read_yaml_as_text
from bascule.errors import BasculeError

_ORDER = {name: index for index, name in enumerate(Alert)}
FIX = "CONTRIBUTING.md says how an alert is written"


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
        data = read_yaml_as_text(text, name)
        if not isinstance(data, dict):
            raise BasculeError(f"{name}: an alert is a mapping of keys", FIX)
        return AlertEntry.model_validate({"form": name.removesuffix(".yaml"), **data})
    except DocumentError as error:
        raise BasculeError(f"{name}: line {error.line}: {error.problem}", FIX) from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the alert'}: {e['msg']}" for e in error.errors())
        raise BasculeError(f"{name}: {said}", FIX) from error
