"""WSGI and Flask: each request counted once, by what became of it."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest
from flask import Flask, Response, g, stream_with_context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from werkzeug.exceptions import BadRequest
from werkzeug.wsgi import LimitedStream

from bascule.instrument import Instrument

from .conftest import DECLARED, Reading

PATH = "/api/v2/match"  # declared in conftest


def _environ(path: str = PATH, method: str = "POST", **more: Any) -> dict[str, Any]:
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, **more}
    setup_testing_defaults(environ)
    return environ


def _call(app: Any, environ: dict[str, Any]) -> tuple[str, bytes]:
    """What a WSGI server does: take every chunk, then close."""
    seen: list[str] = []
    body = app(environ, lambda status, headers, exc_info=None: seen.append(status))
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return seen[-1], content


def _plain(status: str, *chunks: bytes) -> Callable[..., Iterable[bytes]]:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/plain")])
        return list(chunks)

    return app


def test_a_request_counts_with_its_status_and_duration(instrument: Instrument, value: Reading) -> None:
    app = instrument.wsgi(_plain("201 Created", b"x"))
    _call(app, _environ(HTTP_X_USER_SEGMENT="api_partners", HTTP_X_PARTNER="acme"))
    where = {"version": "v2", "endpoint": PATH, "method": "POST", "user_segment": "api_partners"}
    assert value("http_requests_total", status="201", partner="acme", **where) == 1
    assert value("http_request_duration_seconds_count", **where) == 1
    timed = {"version": "v2", "endpoint": PATH, "method": "POST"}
    assert value("supersmartmatch_response_time_seconds_count", **timed) == 1


def test_the_first_answer_of_a_label_set_makes_its_errors_exist_at_zero(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    instrument = make_instrument(declared={"endpoints": [PATH]})
    _call(instrument.wsgi(_plain("200 OK")), _environ(HTTP_X_USER_SEGMENT="new"))
    value = reading(instrument.registry)
    where = {"version": "v2", "endpoint": PATH, "method": "POST", "user_segment": "new", "partner": "none"}
    assert value("http_requests_total", status="500", **where) == 0


def test_requests_of_threads_that_are_scraped_meanwhile_are_all_counted_once(
    instrument: Instrument, value: Reading
) -> None:
    app = instrument.wsgi(_plain("200 OK", b"x"))

    def ask() -> None:
        for _ in range(1_000):
            _call(app, _environ(HTTP_X_USER_SEGMENT="freemium"))

    with ThreadPoolExecutor(4) as pool:
        asking, seen = [pool.submit(ask) for _ in range(4)], [0.0]
        while not all(done.done() for done in asking):
            seen.append(value.sum("http_requests_total", status="200"))
    assert seen == sorted(seen)
    assert value.sum("http_requests_total", status="200") == 4_000
    assert value.sum("http_request_duration_seconds_count") == 4_000
    assert value.sum("supersmartmatch_response_time_seconds_count") == 4_000


def test_raw_paths_never_become_endpoints(instrument: Instrument, value: Reading) -> None:
    app = instrument.wsgi(_plain("200 OK"))
    for job in range(5):
        _call(app, _environ(f"/jobs/{job}"))
    assert value.sum("http_requests_total", endpoint="unknown") == 5


def test_an_exception_counts_as_500_and_reaches_the_server(instrument: Instrument, value: Reading) -> None:
    def broken(environ: Any, start_response: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _call(instrument.wsgi(broken), _environ())
    assert value.sum("http_requests_total", status="500", endpoint=PATH) == 1


def test_a_stream_counts_when_it_has_ended_and_lasts_until_then(instrument: Instrument, value: Reading) -> None:
    def stream(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        time.sleep(0.02)  # the work being timed
        yield b"b"

    body = instrument.wsgi(stream)(_environ(), lambda *arguments: None)
    chunks = iter(body)
    assert next(chunks) == b"a"
    assert value.sum("http_requests_total", status="200", endpoint=PATH) == 0
    assert list(chunks) == [b"b"]
    body.close()
    assert value.sum("http_requests_total", status="200", endpoint=PATH) == 1
    assert value.sum("http_request_duration_seconds_sum", endpoint=PATH) > 0.02


def test_a_client_that_leaves_midway_counts_as_499_and_the_app_is_closed(
    instrument: Instrument, value: Reading
) -> None:
    closed: list[bool] = []

    def stream(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    body = instrument.wsgi(stream)(_environ(), lambda *arguments: None)
    next(iter(body))
    body.close()
    assert closed == [True]
    assert value.sum("http_requests_left_total", endpoint=PATH) == 1
    assert value.sum("http_requests_total") == value.sum("http_request_duration_seconds_count") == 0


class ClientDisconnected(Exception):
    """As waitress says it."""


class Timeout(BaseException):
    """As `gevent.Timeout`: no Exception."""


@pytest.mark.parametrize("error", [ValueError, OSError, Timeout, SystemExit, KeyboardInterrupt])
def test_what_the_application_raises_in_a_stream_is_its_failure(
    instrument: Instrument, value: Reading, error: type[BaseException]
) -> None:
    def stream(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise error

    with pytest.raises(error):
        _call(instrument.wsgi(stream), _environ())
    assert value.sum("http_requests_total", status="500", endpoint=PATH) == 1
    assert value.sum("http_requests_total") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BrokenPipeError, "499"),
        (ConnectionResetError, "499"),
        (ClientDisconnected, "499"),
        (Timeout, "500"),  # while the server was sending
        (SystemExit, "500"),
        (TypeError, "500"),  # a chunk that is no bytes
    ],
)
def test_an_answer_that_its_server_cannot_send_counts_by_the_reason(
    instrument: Instrument, value: Reading, error: type[BaseException], status: str
) -> None:
    class Body(Iterator[bytes]):
        def __next__(self) -> bytes:
            return b"a"

        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    def serve() -> None:
        body = instrument.wsgi(app)(_environ(), lambda *arguments: None)
        try:
            for _ in body:
                raise error
        finally:
            body.close()

    closed: list[bool] = []
    with pytest.raises(error):
        serve()
    assert value.outcomes(endpoint=PATH) == value.outcomes() == {status: 1}
    assert closed == [True]


def test_a_client_that_leaves_after_patience_is_an_error(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    instrument = make_instrument(declared=DECLARED | {"patience": 1e-9})
    body = instrument.wsgi(_plain("200 OK", b"a", b"b"))(_environ(), lambda *arguments: None)
    next(iter(body))
    body.close()
    assert reading(instrument.registry).sum("http_requests_total", status="599") == 1


def test_a_client_that_leaves_a_long_stream_is_no_error_while_chunks_come(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    patience = 0.5
    instrument = make_instrument(declared=DECLARED | {"patience": patience})

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return repeat(b"a")

    body = instrument.wsgi(app)(_environ(), lambda *arguments: None)
    streaming_until = time.monotonic() + 2 * patience
    for _ in body:
        if time.monotonic() > streaming_until:
            break
    body.close()
    assert reading(instrument.registry).sum("http_requests_left_total") == 1


def test_a_server_need_not_look_at_the_body_of_an_answer_to_head(instrument: Instrument, value: Reading) -> None:
    instrument.wsgi(_plain("200 OK", b"a"))(_environ(method="HEAD"), lambda *arguments: None).close()
    assert value.sum("http_requests_total", method="HEAD", status="200") == 1


READ_BY: dict[str, Callable[[Any, int], object]] = {
    "all": lambda file, size: file.read(),
    "announced": lambda file, size: file.read(size),
    "pieces": lambda file, size: list(iter(lambda: file.read(7), b"")),
    "lines": lambda file, size: list(file),
    "line by line": lambda file, size: list(iter(file.readline, b"")),
    "readlines": lambda file, size: file.readlines(),
    "as werkzeug does": lambda file, size: LimitedStream(file, size).read(),
}


@pytest.mark.parametrize("how", READ_BY)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(sent=st.binary(max_size=40), missing=st.integers(0, 40), fails=st.booleans())
def test_an_upload_that_is_cut_counts_as_499_whatever_the_application_makes_of_it(
    make_instrument: Callable[..., Instrument],
    reading: type[Reading],
    how: str,
    sent: bytes,
    missing: int,
    fails: bool,
) -> None:
    size = len(sent) + missing

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        READ_BY[how](environ["wsgi.input"], size)
        if fails:
            raise ZeroDivisionError
        start_response("201 Created", [])
        return [b"ok"]

    instrument = make_instrument()
    environ = _environ(CONTENT_LENGTH=str(size)) | {"wsgi.input": io.BytesIO(sent)}
    with contextlib.suppress(ZeroDivisionError, BadRequest):
        _call(instrument.wsgi(app), environ)
    expected = "499" if missing else "500" if fails else "201"
    assert reading(instrument.registry).outcomes() == {expected: 1}


def test_an_application_need_not_read_its_upload(instrument: Instrument, value: Reading) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read(3)
        start_response("413 Too Large", [])
        return [b"no"]

    _call(instrument.wsgi(app), _environ(CONTENT_LENGTH="10") | {"wsgi.input": io.BytesIO(b"0123456789")})
    assert value.sum("http_requests_total", status="413") == 1


@pytest.mark.parametrize("agent", ["Prometheus/2.42.0", "Blackbox Exporter/0.24.0", "Bascule/1.0"])
def test_scrapes_and_probes_are_served_and_not_counted(
    make_instrument: Callable[..., Instrument], reading: type[Reading], agent: str
) -> None:
    for options, counted in (({}, 0), ({"uncounted": ()}, 1)):
        instrument = make_instrument(**options)
        assert _call(instrument.wsgi(_plain("200 OK", b"x")), _environ(HTTP_USER_AGENT=agent)) == ("200 OK", b"x")
        assert reading(instrument.registry).sum("http_requests_total") == counted


def test_a_file_keeps_the_servers_own_wrapper(instrument: Instrument, value: Reading) -> None:
    def send_file(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"content"))

    environ = _environ() | {"wsgi.file_wrapper": FileWrapper}
    assert isinstance(instrument.wsgi(send_file)(environ, lambda *arguments: None), FileWrapper)
    assert value.sum("http_requests_total", status="200", endpoint=PATH) == 1


def test_the_middleware_keeps_the_wsgi_standard(instrument: Instrument) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"]

    checked = validator(instrument.wsgi(validator(app)))
    for path in (PATH, "/metrics"):
        status, _ = _call(checked, _environ(path, "GET", QUERY_STRING=""))
        assert status == "200 OK"


@pytest.mark.parametrize("found", [ZeroDivisionError(), None, "", ["a"], {"id": 1}, 3.5])
def test_a_broken_callable_never_fails_a_request_and_is_counted(
    make_instrument: Callable[..., Instrument], reading: type[Reading], found: Any
) -> None:
    def broken(environ: Any) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    instrument = make_instrument(version=broken)
    app = instrument.wsgi(_plain("200 OK"), endpoint=broken, segment=broken, partner=broken)
    assert _call(app, _environ())[0] == "200 OK"
    value = reading(instrument.registry)
    unknown = dict.fromkeys(("version", "endpoint", "user_segment", "partner"), "unknown")
    assert value("http_requests_total", method="POST", status="200", **unknown) == 1
    if found:
        assert value.problems("broken_version") + value.problems("bad_version") == 1
        assert value.problems("broken_user_segment") + value.problems("bad_user_segment") == 1


def test_a_callables_endpoints_are_capped(make_instrument: Callable[..., Instrument], reading: type[Reading]) -> None:
    instrument = make_instrument(declared=DECLARED | {"label_limit": 3})
    app = instrument.wsgi(_plain("200 OK"), endpoint=lambda environ: environ["PATH_INFO"])
    for job in range(10):
        _call(app, _environ(f"/jobs/{job}"))
    value = reading(instrument.registry)
    assert value.sum("http_requests_total", endpoint="other") == 7
    assert value("bascule_label_values_capped_total", metric="http_requests_total", label="endpoint") == 7


def test_random_methods_and_header_values_make_no_series_without_bound(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    instrument = make_instrument(declared={"label_limit": 2})
    app = instrument.wsgi(_plain("200 OK"))
    for n in range(20):
        _call(app, _environ(method=f"M{n}", HTTP_X_USER_SEGMENT=f"s{n}", HTTP_X_PARTNER=f"p{n}"))
    value = reading(instrument.registry)
    assert value.sum("http_requests_total", method="other", user_segment="other", partner="other") == 18


# ---------------------------------------------------------------- the page


def test_metrics_are_served_and_not_counted(instrument: Instrument, value: Reading) -> None:
    status, page = _call(instrument.wsgi(_plain("404 Not Found")), _environ("/metrics", "GET"))
    assert status == "200 OK"
    assert {"http_requests", "supersmartmatch_build_info"} <= {family.name for family in parse_text(page.decode())}
    assert value.sum("http_requests_total") == 0


def test_metrics_may_be_kept_off_the_application_and_served_elsewhere(
    make_instrument: Callable[..., Instrument],
) -> None:
    instrument = make_instrument(metrics_path=None)
    assert _call(instrument.wsgi(_plain("404 Not Found")), _environ("/metrics", "GET"))[0] == "404 Not Found"
    assert b"# TYPE http_requests_total counter" in _call(instrument.metrics_app(), _environ("/", "GET"))[1]


def test_openmetrics_is_served_to_who_asks_and_its_own_parser_reads_it(instrument: Instrument) -> None:
    _call(instrument.wsgi(_plain("200 OK", b"x")), _environ(HTTP_X_USER_SEGMENT="freemium"))
    asking = _environ("/metrics", "GET", HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")
    _, page = _call(instrument.wsgi(_plain("404 Not Found")), asking)
    assert page.endswith(b"# EOF\n")
    families = {family.name: family for family in parse_openmetrics(page.decode())}
    assert families["supersmartmatch_response_time_seconds"].type == "histogram"


def test_a_trace_id_becomes_an_exemplar(make_instrument: Callable[..., Instrument]) -> None:
    instrument = make_instrument(trace_id=lambda environ: environ.get("HTTP_X_TRACE"))
    app = instrument.wsgi(_plain("200 OK", b"x"))
    _call(app, _environ(HTTP_X_TRACE="4bf92f3577b34da6a3ce929d0e0e4736"))
    _call(app, _environ(HTTP_X_TRACE="x" * 500))
    _call(app, _environ())
    asking = _environ("/metrics", "GET", HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")
    page = _call(app, asking)[1].decode()
    exemplars = [
        sample.exemplar.labels
        for family in parse_openmetrics(page)
        for sample in family.samples
        if sample.exemplar and family.name == "http_request_duration_seconds"
    ]
    assert exemplars == [{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}]


def test_no_created_series_are_exposed(instrument: Instrument) -> None:
    assert b"_created" not in _call(instrument.wsgi(_plain("200 OK")), _environ("/metrics", "GET"))[1]


# ---------------------------------------------------------------- Flask


@pytest.fixture
def flask_app(instrument: Instrument) -> Flask:
    app = Flask("shop")
    instrument.init_flask(app)

    @app.get("/jobs/<int:job>")
    def job(job: int) -> str:
        return f"job {job}"

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    @app.get("/stream")
    def stream() -> Response:
        return Response(stream_with_context(iter(["a", "b"])))

    return app


def test_flasks_rules_are_the_endpoints(flask_app: Flask, value: Reading) -> None:
    for job in range(3):
        _call(flask_app, _environ(f"/jobs/{job}", "GET"))
    assert value.sum("http_requests_total", endpoint="/jobs/<int:job>", status="200", method="GET") == 3


def test_flask_counts_errors_streams_head_and_wrong_paths_and_methods(flask_app: Flask, value: Reading) -> None:
    for path, method in [
        ("/broken", "GET"),
        ("/stream", "GET"),
        ("/jobs/1", "HEAD"),
        ("/no", "GET"),
        ("/stream", "PUT"),
    ]:
        _call(flask_app, _environ(path, method))
    assert value.sum("http_requests_total", endpoint="/broken", status="500") == 1
    assert value.sum("http_requests_total", endpoint="/stream", status="200") == 1
    assert value.sum("http_requests_total", endpoint="/jobs/<int:job>", status="200", method="HEAD") == 1
    assert value.sum("http_requests_total", endpoint="unknown", status="404") == 1
    assert value.sum("http_requests_total", endpoint="unknown", status="405") == 1


def test_flask_knows_the_route_of_an_exception_that_reaches_the_server(flask_app: Flask, value: Reading) -> None:
    flask_app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ZeroDivisionError):
        _call(flask_app, _environ("/broken", "GET"))
    assert value.sum("http_requests_total", endpoint="/broken", status="500") == 1


def test_flask_callables_get_the_request_in_its_context(instrument: Instrument, value: Reading) -> None:
    app = Flask("shop")
    instrument.init_flask(app, segment=lambda request: g.user, partner=lambda request: request.args["p"])

    @app.get("/")
    def index() -> str:
        g.user = "enterprise"
        return ""

    _call(app, _environ("/", "GET", QUERY_STRING="p=acme"))
    assert value.sum("http_requests_total", user_segment="enterprise", partner="acme") == 1


def test_flasks_routes_exist_at_zero_from_the_first_scrape_unless_endpoints_are_declared(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    for endpoints, expected in (([], 0.0), (["GET /else"], None)):
        instrument = make_instrument(declared={"segments": ["freemium"], "endpoints": endpoints})
        app = Flask("shop")
        instrument.init_flask(app)
        app.add_url_rule("/jobs/<int:job>", "job", lambda job: "", methods=["GET"])  # after the instrument
        _call(app, _environ("/metrics", "GET"))
        where = {"endpoint": "/jobs/<int:job>", "method": "GET", "user_segment": "freemium", "partner": "none"}
        assert reading(instrument.registry)("http_requests_total", version="v2", status="500", **where) == expected


def test_the_routes_of_a_large_application_do_not_exist_at_zero(
    make_instrument: Callable[..., Instrument], reading: type[Reading]
) -> None:
    instrument = make_instrument(declared={"segments": ["freemium"]})
    app = Flask("shop")
    instrument.init_flask(app)
    for number in range(60):
        app.add_url_rule(f"/r{number}", f"r{number}", lambda: "")
    _call(app, _environ("/metrics", "GET"))
    assert reading(instrument.registry).sum("http_request_duration_seconds_bucket") == 0
    assert reading(instrument.registry)("http_requests_total", endpoint="/r1") is None
    assert b"/r1" not in _call(app, _environ("/metrics", "GET"))[1]


def test_flask_apps_still_answer_their_own_test_client(flask_app: Flask) -> None:
    assert flask_app.test_client().get("/jobs/7").text == "job 7"
    assert "http_requests_total" in flask_app.test_client().get("/metrics").text
