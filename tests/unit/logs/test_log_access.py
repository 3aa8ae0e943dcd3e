"""Access logs as servers and proxies write them, odd requests included."""

from __future__ import annotations

import pytest

from bascule.logs import Parser, built_in

AT = "[31/Jan/2026:12:00:00 +0000]"
NOON = 1_769_860_800_000_000


def read(name: str, line: str) -> dict[str, object] | None:
    """What is stored of a line, without its time."""
    reading = built_in(name).read(line)
    if reading is None:
        return None
    assert reading.fields.get("timestamp", NOON) // 1_000_000 == NOON // 1_000_000
    private = {name for name in reading.fields if name[0] == "_"} | {"timestamp"}
    return {name: value for name, value in reading.fields.items() if name not in private}


GET = {"method": "GET", "endpoint": "/x", "status": 200}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f'1.2.3.4 - - {AT} "GET /x HTTP/1.1" 200 5 "-" "curl/8"', GET),
        (f'1.2.3.4 - ann b {AT} "GET /x HTTP/1.1" 200 5 "-" "curl/8"', GET),
        (f'::1 - - {AT} "GET /x HTTP/2.0" 200 5 "http://a/?b=c" "Mozilla/5.0 (X11; Linux) \\"quoted\\""', GET),
        (f'1.2.3.4 - - {AT} "GET /x HTTP/1.1" 200 -', GET),  # Apache's common
        (f'shop:443 1.2.3.4 - - {AT} "GET /x HTTP/1.1" 200 5 "-" "curl/8"', GET),  # Apache's vhost_combined
        (f'127.0.0.1:5000 - - {AT} "GET /x 1.1" 200 5 "-" "curl/8"', GET),  # hypercorn's
        (f'1.2.3.4 - - {AT} "" 400 0 "-" "-"', {"status": 400}),
        (rf'1.2.3.4 - - {AT} "\x16\x03\x01\x02\x00\x01" 400 150 "-" "-"', {"status": 400}),
        (f'1.2.3.4 - - {AT} "-" 408 0 "-" "-"', {"status": 408}),
        (f'1.2.3.4 - - {AT} "GET /old" 502 150 "-" "-"', {"method": "GET", "endpoint": "/old", "status": 502}),
        (f'1.2.3.4 - - {AT} "GET /a b  c?d=e f HTTP/1.1" 404 1 "-" "-"',
         {"method": "GET", "endpoint": "/a b  c", "status": 404, "extra": "query=d=e f"}),
        (f'1.2.3.4 - - {AT} "GET http://h.example/x?y=1 HTTP/1.1" 200 1 "-" "-"', GET | {"extra": "query=y=1"}),
        (f'1.2.3.4 - - {AT} "GET /x HTTP/1.1" 200 5 "-" "curl/8" rt=0.023 uct="0.001" uht=- cs=MISS',
         GET | {"response_time": 0.023, "extra": "uct=0.001 uht=- cs=MISS"}),
        (f'1.2.3.4 - - {AT} "GET /x HTTP/1.1" 200 5 "-" "curl/8" rt=0.3 urt="0.2, 0.1" us="502, 200"'
         ' upstream_addr="127.0.0.1:5070, 127.0.0.1:5062"',
         GET | {"response_time": 0.3, "upstream_response_time": "0.2, 0.1", "upstream_status": "502, 200",
                "upstream_addr": "127.0.0.1:5070, 127.0.0.1:5062"}),
        (f'1.2.3.4 - - {AT} "GET /x HTTP/1.1" 200 5 "-" "curl/8" "9.9.9.9"', GET),  # x_forwarded_for
    ],
)  # fmt: skip
def test_lines_of_combined_access_logs_are_read(line, expected):
    """What was no HTTP request has no endpoint; what stands behind as `name=value` is kept."""
    assert read("nginx_combined", line) == expected


def test_a_word_without_a_name_behind_an_access_line_is_told():
    """It is dropped, but not without a word."""
    line = f'1.2.3.4 - - {AT} "GET /x HTTP/1.1" 200 5 "-" "curl/8" 0.023'
    reading = built_in("nginx_combined").read(line)
    assert [(found.field, found.reason) for found in reading.misread] == [("line", "a word without a name")]


@pytest.mark.parametrize(
    "line",
    [
        'INFO:     127.0.0.1:51412 - "GET /x HTTP/1.1" 200 OK',
        'INFO:     127.0.0.1:51412 - "GET /x HTTP/1.1" 200',
        'INFO:      - "GET /x HTTP/1.1" 200 OK',  # behind a Unix socket
        'INFO:     testclient:50000 - "GET /x HTTP/1.1" 200 OK',
        '\x1b[32mINFO\x1b[0m:     127.0.0.1:1 - "\x1b[1mGET /x HTTP/1.1\x1b[0m" \x1b[32m200 OK\x1b[0m',
        '2026-01-31 12:00:00,000 - uvicorn.access - INFO - 127.0.0.1:51412 - "GET /x HTTP/1.1" 200',
        '2026-01-31 12:00:00 INFO: 127.0.0.1:51412 - "GET /x HTTP/1.1" 200 OK',
    ],
)
def test_uvicorns_access_lines_are_read(line):
    """With and without address, phrase, colour and time."""
    assert read("uvicorn", line).items() >= GET.items()


def test_a_status_without_a_phrase_is_read():
    """uvicorn knows no phrase for 499."""
    assert read("uvicorn", 'INFO:     127.0.0.1:1 - "GET /x HTTP/1.1" 499 ')["status"] == 499


def test_an_endpoint_is_the_path_and_its_query_is_kept():
    """At once and line by line; each query would be an endpoint of its own."""
    line = "2026-01-31T12:00:00Z INFO s API_CALL user_id=u endpoint=/x?a=1&b response_time=0.1 status=200 c=d"
    fields = built_in("api_call").read(line).fields
    assert (fields["endpoint"], fields["extra"]) == ("/x", "c=d query=a=1&b")


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("envoy", '[2026-01-31T12:00:00.123Z] "GET /x HTTP/2" 200 - 154 0 226 100 "10.0.35.28" "agent" "cc2" "shop"'
         ' "127.0.0.1:5070"',
         GET | {"response_time": 0.226, "upstream_addr": "127.0.0.1:5070"}),
        ("envoy", '[2026-01-31T12:00:00.123Z] "GET /x HTTP/1.1" 0 DC 0 0 5 - "-" "-" "-" "shop" "-"',
         {"method": "GET", "endpoint": "/x", "status": 499, "response_time": 0.005, "upstream_addr": "-"}),
        ("haproxy", "haproxy[1]: 10.0.1.2:33317 [31/Jan/2026:12:00:00.655] http-in be_v2/srv1 10/0/30/69/109 200"
         ' 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /x HTTP/1.1"',
         GET | {"response_time": 0.109, "upstream_addr": "be_v2/srv1"}),
        ("haproxy", "10.0.1.2:33317 [31/Jan/2026:12:00:00.655] http-in http-in/<NOSRV> -1/-1/-1/-1/+5 400 187"
         ' - - PR-- 1/1/0/0/0 0/0 "<BADREQ>"',
         {"status": 400, "response_time": 0.005, "upstream_addr": "http-in/<NOSRV>"}),
        ("traefik", f'10.1.2.3 - - {AT} "GET /x?q=1 HTTP/2.0" 200 19 "-" "curl/8" 5 "shop@file"'
         ' "http://127.0.0.1:5070" 12ms',
         GET | {"response_time": 0.012, "upstream_addr": "127.0.0.1:5070", "extra": "query=q=1"}),
        ("traefik", f'10.1.2.3 - ann {AT} "GET /x HTTP/1.1" 404 19 "-" "-" 6 "-" "-" 0ms',  # no router knows the path
         GET | {"status": 404, "response_time": 0.0, "upstream_addr": "-"}),
        ("tornado", "[I 260131 12:00:00 web:2271] 200 GET /x?a=b (127.0.0.1) 1.20ms",
         GET | {"response_time": 0.0012, "extra": "query=a=b"}),
        ("tornado", "2026-01-31 12:00:00,000 - tornado.access - INFO - 200 GET /x (::1) 0.50ms",
         GET | {"response_time": 0.0005, "service": "tornado.access", "level": "INFO"}),
        ("sanic", "Main |2026-01-31 12:00:00 +0000 INFO: 127.0.0.1:4 GET http://shop/x?a=b 200 0  11.0ms",
         GET | {"response_time": 0.011, "level": "INFO", "extra": "query=a=b"}),
        ("sanic", "[2026-01-31 12:00:00 +0000] - (sanic.access)[INFO][127.0.0.1:4]: GET http://shop/x  200 7",
         GET | {"level": "INFO"}),
        ("uwsgi", "[pid: 3|app: 0|req: 2/7] 127.0.0.1 () {24 vars in 348 bytes} [Sat Jan 31 12:00:00 2026] GET /x =>"
         " generated 7 bytes in 12 msecs (HTTP/1.1 200) 1 headers in 44 bytes (1 switches on core 1)",
         GET | {"response_time": 0.012}),
        ("uwsgi", "[pid: 3|app: 0|req: 2/7] 127.0.0.1 (ann) {24 vars in 348 bytes} [Sat Jan 31 12:00:00 2026] GET /x =>"
         " generated 7 bytes in 1200 micros via sendfile() (HTTP/1.1 200) 1 headers in 44 bytes (1 switches on core 0)",
         GET | {"response_time": 0.0012}),
        ("morgan", "GET /x 200 5 - 1.500 ms", GET | {"response_time": 0.0015}),
        ("morgan", "\x1b[0mGET /x \x1b[32m200\x1b[0m 1.500 ms - -\x1b[0m", GET | {"response_time": 0.0015}),
        ("morgan", "::1 - GET /x HTTP/1.1 200 - - 1.500 ms", GET | {"response_time": 0.0015}),
        ("morgan", "GET /x - - - - ms", {"method": "GET", "endpoint": "/x"}),  # the client left
        ("morgan", "  \x1b[90m-->\x1b[0m \x1b[1mGET\x1b[0m /x \x1b[32m200\x1b[0m 15ms 2b",
         GET | {"response_time": 0.015}),  # Koa's
        ("gin", '[GIN] 2026/01/31 - 12:00:00 | 200 |     1.5ms |       127.0.0.1 | GET      "/x?a=b"',
         GET | {"response_time": 0.0015, "extra": "query=a=b"}),
        ("werkzeug", '[31/Jan/2026 12:00:00] "GET /x HTTP/1.1" 200 17', GET),  # Django's runserver
        ("granian", '[2026-01-31 12:00:00 +0000] 127.0.0.1 - "GET /x HTTP/1.1" 200 1.5',
         GET | {"response_time": 0.0015}),
    ],
)  # fmt: skip
def test_the_default_logs_of_other_proxies_and_servers_are_read(name, line, expected):
    """Times taken are milliseconds there."""
    assert read(name, line) == pytest.approx(expected)


def test_a_byte_order_mark_does_not_hide_the_first_line():
    """At the start of a file of a Windows program."""
    line = '\ufeff{"msg": "first"}'
    assert [rows.format for rows in Parser((built_in("json"),)).parse((line + "\n").encode())] == ["json"]
