"""A spec whose services name a preset has that preset's signals, and its label of versions, where it declares none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bascule.spec.presets import Preset, preset_named


def with_preset(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with what the one preset of its services gives; what it declares itself has priority."""
    preset = _only_preset(document.get("services"))
    if preset is None:
        return document
    declared = document.get("signals")
    signals = preset.signals | (declared if isinstance(declared, dict) else {})
    versions = document.get("versions")
    if preset.version and isinstance(versions, dict) and not {"label", "select"} & set(versions):
        versions = {**versions, "label": preset.version}
    return {**document, "signals": signals, "versions": versions}


def _only_preset(services: Any) -> Preset | None:
    """None where there is none, or several: signals of two vocabularies are declared."""
    values = services.values() if isinstance(services, dict) else ()
    named = {name for each in values if isinstance(each, dict) and isinstance(name := each.get("preset"), str)}
    return preset_named(named.pop()) if len(named) == 1 else None
