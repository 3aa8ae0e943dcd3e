"""What a console costs before anybody looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bascule.console import create_app
from bascule.spec import load

UNICODE_CLASS_REPEATED = re.compile(r"\\[wWdDsS][^|)]*?\{\d*,?\d{2,}\}")


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        found = schema.get("pattern")
        if isinstance(found, str):
            yield found
        for each in schema.values():
            yield from patterns(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from patterns(each)


def test_no_route_keeps_a_pattern_that_takes_megabytes() -> None:
    """In Rust's regular expressions, `[\\w.-]{1,200}` holds all of Unicode 200 times over: 18 MB."""
    found = list(patterns(create_app(load("supersmartmatch")).openapi()))
    assert found
    assert [each for each in found if UNICODE_CLASS_REPEATED.search(each)] == []
