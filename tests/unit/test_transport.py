"""The transport under every client: deadlines, bounds, and no way round them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat

import httpx
import pytest

from bascule import transport
from bascule.errors import BasculeError, QueryRejected, Unreachable, UsageError
from bascule.prometheus import Alertmanager, Prometheus
from bascule.transport import MIB, Http, is_local, parsed

Server = Callable[..., str]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS = {
    "the status": list(chain([b"H"], repeat(b"T", 1000))),
    "the headers": list(chain([HEAD], repeat(b"X-A: b\r\n", 1000))),
    "the body": list(chain([HEAD + b"Content-Length: 5000\r\n\r\n"], repeat(b" ", 1000))),
    "nothing": [b""] * 1000,
}


@pytest.mark.parametrize("url", ["http://a\x1bb:80", "http://a:b:80", "http://\uff41:80"])
def test_what_is_no_url_is_refused_in_words(url: str) -> None:
    with pytest.raises(UsageError, match="it cannot be asked at"):
        Http("it", url, seconds=1.0)


@pytest.mark.parametrize("part", DRIPS)
def test_the_deadline_is_of_the_whole_exchange(dripping: Server, part: str) -> None:
    """A server that sends a byte now and then gains no time, in no part of its answer."""
    http = Http("it", dripping(DRIPS[part]), seconds=0.4)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"no whole answer within 0\.4 s"):
        http.ask("GET", "/")
    assert time.monotonic() - begun < 1.5


def test_a_server_that_does_not_read_is_given_up_at_the_deadline(dripping: Server) -> None:
    http = Http("it", dripping([b""] * 1000), seconds=0.4)
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        http.ask("POST", "/", content=b"x" * (64 * MIB))
    assert time.monotonic() - begun < 1.5


def test_a_name_that_is_not_looked_up_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        released.wait(20)
        return []

    monkeypatch.setattr(transport.socket, "getaddrinfo", hang)
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"no whole answer within 0\.3 s"):
        Http("it", "http://prometheus.example", seconds=0.3).ask("GET", "/")
    assert time.monotonic() - begun < 1.5
    released.set()


def test_one_client_gives_each_request_its_own_time(dripping: Server) -> None:
    """Threads share a client; a short request next to a long one ends when it should."""
    http = Http("it", dripping(DRIPS["the body"]), seconds=5.0)

    def took(seconds: float) -> float:
        begun = time.monotonic()
        with pytest.raises(Unreachable, match=f"within {seconds:g} s"):
            http.ask("GET", "/", seconds=seconds)
        return time.monotonic() - begun

    with ThreadPoolExecutor(2) as pool:
        long, short = pool.submit(took, 1.2), pool.submit(took, 0.2)
    assert short.result() < 0.9 < 1.2 <= long.result()


def test_an_answer_that_is_too_large_is_not_read_to_its_end(dripping: Server) -> None:
    endless = [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n", 200)]
    http = Http("it", dripping(endless, pause=0.0), seconds=10.0, largest=MIB)
    with pytest.raises(QueryRejected, match="more than 1 MiB"):
        http.ask("GET", "/")


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://127.0.0.1:{port}", "refused"), ("http://no.such.name.invalid", "does not answer")],
)
def test_what_keeps_it_from_answering_is_said(url: str, words: str, free_port: Callable[[], int]) -> None:
    with pytest.raises(Unreachable, match=words) as caught:
        Http("it", url.format(port=free_port()), seconds=5.0).ask("GET", "/")
    assert caught.value.fix
    assert "Errno" not in str(caught.value)


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    asked: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "http://elsewhere.example/"})

    assert Http("it", "http://x", seconds=1, transport=httpx.MockTransport(redirect)).ask("GET", "/a").status == 302
    assert asked == ["http://x/a"]


# ---------------------------------------------------------------- JSON


def test_json_deeper_than_its_bound_is_no_json() -> None:
    assert parsed(b"[" * 150 + b"]" * 150)
    for deep in (b"[" * 300 + b"]" * 300, b"[" * 1_000_000, b'{"a":' * 100_000):
        with pytest.raises(ValueError, match=r"recursion|EOF"):
            parsed(deep)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'"\\ud800"', "\\ud800"),
        (b'"\\\\ud800 \\ud800"', "\\ud800 \\ud800"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'{"a": "\\udfff"}', {"a": "\\udfff"}),
    ],
)
def test_half_a_surrogate_pair_is_kept_as_its_escape(raw: bytes, value: object) -> None:
    """No other program's slip makes a whole answer unreadable, and no text comes out that cannot be written."""
    assert parsed(raw) == value


HOSTILE = {
    "deep": b'{"status":"success","data":' + b"[" * 100_000,
    "deep and closed": b'{"status":"success","data":{"resultType":"vector","result":' + b"[" * 500 + b"]" * 500 + b"}}",
    "a time that is none": b'{"status":"success","data":{"resultType":"scalar","result":[1e999,"1"]}}',
    "a time beyond any float": b'{"status":"success","data":{"resultType":"scalar","result":['
    + b"9" * 400
    + b',"1"]}}',
    "labels that are lists": b'{"status":"success","data":{"resultType":"vector","result":['
    b'{"metric":[[1]],"value":[1,"1"]}]}}',
    "half a text": b'{"status":"success","data":{"resultType":"vec',
    "not UTF-8": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_prometheus_is_an_error_and_no_crash(body: bytes) -> None:
    client = Prometheus("http://p", transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body)))
    for ask in (
        lambda: client.instant("up"),
        lambda: client.raw("up", 5),
        lambda: client.range("up", 0, 10, 1),
        client.alerts,
        client.rules,
        client.targets,
    ):
        with pytest.raises(BasculeError):
            ask()


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'[{"labels":' + b"[" * 300, b"\xff", b'[{"labels": {}, "startsAt": 9}]']
)
def test_a_hostile_alertmanager_is_an_error_and_no_crash(body: bytes) -> None:
    client = Alertmanager("http://a", transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body)))
    with pytest.raises(BasculeError):
        client.alerts()


@pytest.mark.parametrize("matchers", ["{}", "[{}]", "[1]", '"ab"', "[[1]]", "null", '[{"name": "a"}]'])
def test_a_silence_of_another_shape_is_an_error_and_no_crash(matchers: str) -> None:
    told = (
        f'[{{"id": "1", "startsAt": "2026-01-31T08:00:00Z", "endsAt": "2099-01-31T08:00:00Z", "matchers": {matchers}}}]'
    )
    client = Alertmanager("http://a", transport=httpx.MockTransport(lambda request: httpx.Response(200, text=told)))
    if matchers == "{}":
        assert client.silences()[0].matchers == []
        return
    with pytest.raises(BasculeError):
        client.silences()


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:9/x", True),
        ("https://localhost/", True),
        ("http://[::1]:9/", True),
        ("http://127.8.0.1/", True),
        ("https://hooks.slack.com/x", False),
        ("http://localhost.evil.example/", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_addresses_of_this_machine_are_known(url: str, local: bool) -> None:
    assert is_local(url) is local
