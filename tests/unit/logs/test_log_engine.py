"""The client of a search engine: one deadline for each request, answers of bounded size and depth, and of any shape."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat

import pytest

from bascule.errors import BasculeError, QueryRejected, Unreachable
from bascule.logformat import LogIndex
from bascule.logs import SearchClient
from bascule.logs.storing import engine
from bascule.spec.model import SearchEngine
from bascule.transport import MIB

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
LINES = [("shop-2026.01.31", "a-1", "{}")]


def client(url: str) -> SearchClient:
    return SearchClient(SearchEngine(url=url), LogIndex("Shop", "", 86_400.0))


def answering(body: bytes) -> list[bytes]:
    return [HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body]


@pytest.mark.parametrize("pieces", [[b""] * 400, [HEAD, *[b"X-A: b\r\n"] * 400]], ids=["nothing", "headers"])
def test_an_engine_that_drips_is_given_up_at_the_deadline(
    dripping: Callable[..., str], monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
):
    monkeypatch.setattr(engine, "SECONDS", 0.4)
    asked = client(dripping(pieces))
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"no whole answer within 0\.4 s"):
        asked.send(LINES)
    assert time.monotonic() - begun < 1.5


def test_an_answer_that_never_ends_is_not_read_to_its_end(
    dripping: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine, "LARGEST", MIB)
    endless = [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n", 200)]
    with pytest.raises(QueryRejected, match="more than 1 MiB"):
        client(dripping(endless, pause=0.0)).send(LINES)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"items": 1}',
        b'{"items": []}',
        b'{"items": [{"create": {}}]}',
        b'{"items": [{"create": {"status": "well"}}]}',
        b'{"items":' + b"[" * 100_000,
        b'{"index_templates": [{"index_template": {"version": "x"}}]}',
        b"\xff",
    ],
)
def test_an_answer_of_another_shape_is_an_error_and_no_crash(dripping: Callable[..., str], body: bytes):
    asked = client(dripping(answering(body)))
    with pytest.raises(BasculeError, match="unexpected"):
        asked.send(LINES)


@pytest.mark.parametrize("version", [b'"x"', b"[1]", b'{"a": 1}', b"1e999"])
def test_a_template_of_another_shape_is_an_error_and_no_crash(dripping: Callable[..., str], version: bytes):
    body = b'{"index_templates": [{"index_template": {"version": %s}}]}' % version
    with pytest.raises(QueryRejected, match="unexpected"):
        client(dripping(answering(body))).prepare()
