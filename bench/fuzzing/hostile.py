"""Hostile inputs, made of good ones: bytes are cut, repeated and replaced, values of JSON are something else."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

TOKENS = [
    b"", b"\x00", b"\xff\xfe", b"\x1b[2J", b"\r\n", b"\n", b"'", b'"', b"\\", b"`", b"{", b"}", b"[", b"]", b"(", b")",
    b"-1", b"0", b"9" * 30, b"1e999", b"NaN", b"-Inf", b"0x10", b"2026-13-41T25:61:61Z", b"0001-01-01T00:00:00+23:59",
    b"9999-12-31T23:59:59-12:00", b"now-99999999999999d", b"1h", b"&a", b"*a", b"!!python/name:os.system", b"<<:",
    b"~", b"null", b"true", b": ", b"- ", b"# ", b"%{GREEDYDATA:a}", b"%{", b"(a+)+$", b"(?<=a)", b"[[:alpha:]]",
    b"\xe2\x80\xae", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"%s%n",
    b"../../x", b"/*", b"--", b";", b"$(x)", b"{{ 7*7 }}",
    b"=1+1", b"a" * 5000, b"[" * 300, b"(" * 300, b"{" * 300, b"\t",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 2**63, -(2**63) - 1, 2**200, 1e308, float("inf"), float("nan"), 0.1,
    "", " ", "NaN", "1e999",
    "\x00", "\x1b[2J", "\u202e", "\ud800", "a" * 20_000, "2026-01-31T08:00:00Z", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z", "now", "../..", "<script>", "{{ x }}", "%00", [], {}, [[]], [None], {"": None},
    {"a": {"a": 1}},
]  # fmt: skip
DEEP = 500
LONG = 60_000


def of_bytes(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """A seed in which one to six pieces are something else."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 4, 8, 40, 400)))
        kind = chance.randrange(7)
        if kind == 0:
            data[start:end] = b""
        elif kind == 1:
            data[start:end] = chance.choice(TOKENS)
        elif kind == 2:
            data[start:start] = data[start:end] * chance.choice((1, 2, 30))
        elif kind == 3:
            data[start:end] = chance.randbytes(end - start)
        elif kind == 4:
            other = chance.choice(seeds)
            cut = chance.randint(0, len(other))
            data[start:end] = other[cut : cut + 200]
        elif kind == 5:
            if start < end and chance.random() < 0.1:  # what costs the square of its length shows here
                data[start:end] = data[start:end] * (LONG // (end - start))
        elif start < len(data):
            data[start] ^= 1 << chance.randrange(8)
    return bytes(data[:200_000])


def of_json(seeds: Sequence[Any], chance: random.Random) -> bytes:
    """A document in which one to four values are something else; sometimes its text is damaged besides."""
    document = copy.deepcopy(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        document = _changed(document, chance)
    text = json.dumps(document).encode()
    return of_bytes([text], chance) if chance.random() < 0.2 else text


def _changed(document: Any, chance: random.Random) -> Any:
    """The document with another value somewhere in it."""
    if not isinstance(document, dict | list) or not document or chance.random() < 0.1:
        return _value(chance)
    key = chance.choice(list(document) if isinstance(document, dict) else range(len(document)))
    kind = chance.random()
    if kind < 0.15:
        del document[key]
    elif kind < 0.25:
        document[key] = chance.choice([document[key], [document[key]], {"": document[key]}])
    else:
        document[key] = _changed(document[key], chance)
    return document


def _value(chance: random.Random) -> Any:
    if chance.random() < 0.02:
        return _nested(chance.randint(1, DEEP))
    return copy.deepcopy(chance.choice(VALUES))


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value
