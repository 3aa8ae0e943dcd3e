"""Keys that are not allowed where they are: what was meant instead, and reading on as if that had been written."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from bascule.spec.part import Part
from bascule.spec.reading.document import Document, Key
from bascule.spec.reading.shape import NAMED, inside, keys_of, part_of, tags_of

__all__ = ["correct_keys"]

ALIKE = 0.75  # difflib's ratio from which one word is taken for a misspelling of another
SYNONYMS = (
    {"start", "from", "begin", "since"},
    {"end", "to", "until", "till"},
    {"objective", "target", "goal", "threshold", "slo"},
    {"when", "if", "condition", "trigger", "threshold"},
    {"window", "period", "over"},
    {"hold", "for", "duration", "wait", "during"},
    {"after", "delay", "wait"},
    {"interval", "every"},
    {"share", "weight", "percent", "percentage", "traffic"},
    {"baseline", "old", "stable", "control", "primary"},
    {"candidate", "new", "canary", "green", "experiment"},
    {"targets", "address", "addresses", "hosts", "url", "endpoint"},
    {"url", "address", "endpoint", "target"},
    {"metric", "selector", "query", "series"},
    {"total", "requests", "events", "all"},
    {"bad", "errors", "failures", "failed"},
    {"good", "success", "successes", "successful"},
    {"reason", "why", "description", "comment"},
    {"title", "description"},
    {"name", "id"},
    {"url", "url_file"},
    {"files", "path", "paths", "glob"},
    {"to", "receiver", "receivers", "recipients"},
    {"run", "command", "exec", "script"},
    {"strata", "segments", "by"},
)


def correct_keys(document: Document, kind: type[Part]) -> None:
    """Report every key that is not allowed, and put what was meant in its place, or drop it."""
    _correct(document, kind, document.content, (), "")


def _correct(document: Document, kind: Any, value: Any, at: Key, name: str) -> None:
    """`name`: what the value is called by the user, as in `services`; empty where its key is the model's own."""
    if isinstance(value, dict):
        _correct_kind(document, tags_of(kind), value, at)
    part = part_of(kind, value)
    if part is not None and NAMED not in part.model_fields:
        _correct_part(document, part, value, at, name)
    own = keys_of(part) if part is not None else ()
    for step, inner, found in inside(kind, value):
        _correct(document, inner, found, (*at, step), str(step) if isinstance(value, dict) and step not in own else "")


def _correct_kind(document: Document, kinds: Sequence[str], value: dict[str, Any], at: Key) -> None:
    written = value.get("kind")
    if written is not None and written not in kinds and (meant := _spelled_like(str(written), kinds)):
        document.report((*at, "kind"), f"{written!r} is not a kind of signal", f"did you mean {meant!r}?")
        value["kind"] = meant


def _correct_part(document: Document, part: type[Part], value: dict[str, Any], at: Key, name: str) -> None:
    allowed = keys_of(part)
    for key in [key for key in value if key not in (*allowed, *part.model_fields)]:
        meant = _meant(key, [each for each in allowed if each not in value])
        document.report((*at, key), "unknown key", _fix(key, meant, allowed, name))
        moved = value.pop(key)
        if meant:
            value[meant] = moved
            document.written[(*at, meant)] = key


def _fix(key: str, meant: str, allowed: Sequence[str], name: str) -> str:
    if meant:
        return f"did you mean {meant!r}?"
    if key in ("name", "id") and name:
        return f"remove it; the name is the key {name!r}"
    return f"remove it; the keys here are {', '.join(sorted(allowed))}"


def _meant(key: str, free: Sequence[str]) -> str:
    """The allowed key, not given yet, that a key is a synonym or a misspelling of; empty where there is none."""
    same = (each for each in free for words in SYNONYMS if {key.lower(), each} <= words)
    return next(same, "") or _spelled_like(key, free)


def _spelled_like(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word.lower().replace("-", "_"), known, n=1, cutoff=ALIKE)
    return close[0] if close else ""
