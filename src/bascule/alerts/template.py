"""Texts with places to fill in: `[[limit]]`, `[[budget*2]]`, `[[limit|duration]]`, `[[spec.judge.min_samples]]`.

Prometheus has `{{ }}` for itself, and PromQL single brackets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import reduce

from pydantic import BaseModel

from bascule.alerts import figures
from bascule.spec import Spec
from bascule.spec.quantities import format_duration

Value = str | float
PLACE = re.compile(r"\[\[(?P<name>[a-z][a-z0-9_.]*)(?:\*(?P<times>[0-9.]+))?(?:\|(?P<form>[a-z]+))?\]\]")
FORMS: Mapping[str, Callable[[float], str]] = {
    "duration": format_duration,
    "percent": lambda share: f"{share * 100:g}%",
}
SPEC = "spec."
# What every text can say of the alert's own value, and of the versions.
FIGURES = {
    "percent": figures.PERCENT,
    "duration": figures.DURATION,
    "count": figures.COUNT,
    "number": figures.NUMBER,
    "points": figures.POINTS,
}
STANDARD = frozenset({*FIGURES, "baseline", "candidate", "old_title", "new_title"})


def standard(spec: Spec) -> dict[str, Value]:
    """The values that every alert may use, besides those of its part and the keys of the spec."""
    old, new = spec.versions.both
    versions = {"baseline": old, "candidate": new, "old_title": figures.title(old), "new_title": figures.title(new)}
    return {**FIGURES, **versions}


def problems(text: str, known: frozenset[str]) -> list[str]:
    """What is wrong with the places of a text: one sentence each."""
    found = [_problem(place, known) for place in PLACE.finditer(text)]
    if "[[" in PLACE.sub("", text):
        found.append("'[[' without a name and ']]' behind it")
    return [problem for problem in dict.fromkeys(found) if problem]


def _problem(place: re.Match[str], known: frozenset[str]) -> str:
    name, form = place["name"], place["form"]
    if form and form not in FORMS:
        return f"unknown form {form!r} in {place[0]} (forms are: {', '.join(FORMS)})"
    if name in known or (name.startswith(SPEC) and _is_key(name.removeprefix(SPEC))):
        return ""
    return f"unknown placeholder {place[0]} (known here: {', '.join(sorted(known))}, spec.KEY)"


def _is_key(path: str) -> bool:
    """Whether the spec has a value at these keys."""
    part: object = Spec
    for step in path.split("."):
        fields = part.model_fields if isinstance(part, type) and issubclass(part, BaseModel) else {}
        part = fields[step].annotation if step in fields else None
    return part in (float, int, str)


def fill(text: str, spec: Spec, values: Mapping[str, Value]) -> str:
    """The text with every place filled in; KeyError names a value that is missing."""

    def one(place: re.Match[str]) -> str:
        name = place["name"]
        value = reduce(getattr, name.split(".")[1:], spec) if name.startswith(SPEC) else values[name]
        return _written(value, place["times"], place["form"])

    return PLACE.sub(one, text)


def _written(value: object, times: str | None, form: str | None) -> str:
    if not isinstance(value, int | float):
        return str(value)
    number = value * float(times) if times else value
    return FORMS[form](number) if form else _number(number)


def _number(number: float) -> str:
    """As short as it can be without losing anything that counts."""
    if isinstance(number, int):
        return str(number)
    short = f"{number:g}"
    return short if math.isclose(float(short), number, rel_tol=1e-9) else f"{number:.10g}"
