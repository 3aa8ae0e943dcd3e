"""Recordings of servers and proxies: each is started, asked the planned requests, and stopped; then its log is read."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from line_requests import Request, leaving, odd, plan, send
from lines import UNKNOWN, Recording, Sent

from bascule.processes import programs
from bascule.processes.ports import free
from bascule.processes.ready import listens, wait_until

SUPPORT = Path(__file__).parent
CONFIGS = SUPPORT.parent / "fixtures" / "line-configs"
HOST = "127.0.0.1"
LOGGED_WITHIN_SECONDS = 5  # after the last answer


@contextlib.contextmanager
def program(
    argv: Sequence[str], folder: Path, port: int, env: dict[str, str] | None = None, seconds: float = 20.0
) -> Iterator[Path]:
    """A program that listens on `port` within some seconds; gives the file with all that it prints."""
    printed = folder / f"printed-{port}.log"
    environment = os.environ | {"PYTHONPATH": str(SUPPORT), "PYTHONUNBUFFERED": "1"} | (env or {})
    with printed.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, cwd=folder, env=environment, start_new_session=True)
    try:
        if not wait_until(listens(HOST, port), seconds=seconds):
            raise RuntimeError(f"{argv[0]} does not listen:\n{printed.read_text()[-2000:]}")
        yield printed
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# ---------------------------------------------------------------- servers of Python applications


@dataclass(frozen=True)
class PythonServer:
    """How a server starts, which format its access lines have, and what they tell."""

    argv: tuple[str, ...]
    formats: tuple[str, ...]
    clock: float | None = 1.0
    stopwatch: float | None = None


_GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--threads", "4", "--access-logfile", "-", "line_app:wsgi")
_JSON = (
    '{"remote_ip":"%(h)s","request":"%(r)s","status":"%(s)s","duration_us":%(D)s,"time_local":"%(t)s","agent":"%(a)s"}'
)
_WERKZEUG = "import line_app, werkzeug; werkzeug.run_simple('127.0.0.1', PORT, line_app.wsgi, threaded=True)"
_WSGIREF = (
    "import line_app, wsgiref.simple_server as s, socketserver;"
    "T = type('T', (socketserver.ThreadingMixIn, s.WSGIServer), {});"
    "s.make_server('127.0.0.1', PORT, line_app.wsgi, T).serve_forever()"
)
_TWISTED = (
    "import sys, line_app; from twisted.internet import reactor; from twisted.python import log;"
    "from twisted.web.server import Site; from twisted.web.wsgi import WSGIResource;"
    "log.startLogging(sys.stdout); resource = WSGIResource(reactor, reactor.getThreadPool(), line_app.wsgi);"
    "reactor.listenTCP(PORT, Site(resource), interface='127.0.0.1'); reactor.run()"
)
_DJANGO = (
    "import line_app, time; from django.conf import settings; from django.http import HttpResponse;"
    "from django.core.management import execute_from_command_line; from django.urls import re_path\n"
    "settings.configure(ROOT_URLCONF='__main__', ALLOWED_HOSTS=['*'])\n"
    "def answer(request):\n"
    "    status, seconds = line_app.asked(request.META['QUERY_STRING']); time.sleep(seconds)\n"
    "    return HttpResponse(status=status)\n"
    "urlpatterns = [re_path('.*', answer)]\n"
    "execute_from_command_line(['manage.py', 'runserver', '--noreload', '127.0.0.1:PORT'])"
)
_TORNADO = (
    "import asyncio, line_app, tornado.options, tornado.web\n"
    "tornado.options.parse_command_line(['app', '--logging=info'])\n"
    "class Answer(tornado.web.RequestHandler):\n"
    "    async def get(self):\n"
    "        status, seconds = line_app.asked(self.request.query); await asyncio.sleep(seconds)\n"
    "        self.set_status(status)\n"
    "    post = put = delete = head = options = patch = get\n"
    "async def serve():\n"
    "    tornado.web.Application([('.*', Answer)]).listen(PORT, '127.0.0.1'); await asyncio.Event().wait()\n"
    "asyncio.run(serve())"
)
_UWSGI_OPTIONS = ("--http-socket", "127.0.0.1:PORT", "--module", "line_app:wsgi", "--threads", "4")
_UWSGI = ("-c", "import pyuwsgi; pyuwsgi.run()", *_UWSGI_OPTIONS)
_AIOHTTP = (
    "import logging; from aiohttp import web; import asyncio, line_app;"
    "logging.basicConfig(level=logging.INFO{});\n"
    "async def answer(request):\n"
    "    status, seconds = line_app.asked(request.query_string); await asyncio.sleep(seconds)\n"
    "    return web.Response(status=status)\n"
    "app = web.Application(); app.router.add_route('*', '/{tail:.*}', answer)\n"
    "web.run_app(app, host='127.0.0.1', port=PORT, print=None)"
)
_DATED_AIOHTTP = _AIOHTTP.replace("{})", ", format='%(asctime)s %(levelname)s %(name)s: %(message)s')", 1)
PYTHON_SERVERS = {
    "uvicorn": PythonServer(("-m", "uvicorn", "--port", "PORT", "line_app:asgi"), ("uvicorn", "python"), clock=None),
    "uvicorn-colours": PythonServer(
        ("-m", "uvicorn", "--port", "PORT", "--use-colors", "line_app:asgi"), ("uvicorn", "python"), clock=None
    ),
    "uvicorn-dated": PythonServer(
        ("-m", "uvicorn", "--port", "PORT", "--log-config", str(CONFIGS / "uvicorn.json"), "line_app:asgi"),
        ("uvicorn", "python"), clock=0.001,
    ),
    "gunicorn": PythonServer(_GUNICORN, ("nginx_combined", "python")),
    "gunicorn-timed": PythonServer(
        (*_GUNICORN, "--access-logformat", '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" rt=%(L)s'),
        ("nginx_combined", "python"), stopwatch=0.001,
    ),
    "gunicorn-json": PythonServer((*_GUNICORN, "--access-logformat", _JSON), ("json", "python"), stopwatch=0.001),
    "granian": PythonServer(
        ("-m", "granian", "--interface", "asgi", "--port", "PORT", "--access-log", "line_app:asgi"),
        ("granian", "python"), stopwatch=0.001,
    ),
    "hypercorn": PythonServer(
        ("-m", "hypercorn", "--bind", "127.0.0.1:PORT", "--access-logfile", "-", "line_app:asgi"),
        ("nginx_combined", "python"),
    ),
    "daphne": PythonServer(
        ("-m", "daphne", "-p", "PORT", "--access-log", "-", "line_app:asgi"), ("nginx_combined", "python")
    ),
    "werkzeug": PythonServer(("-c", _WERKZEUG), ("werkzeug", "python")),
    "django-runserver": PythonServer(("-c", _DJANGO), ("werkzeug", "python")),
    # Twisted asks the clock once a second.
    "twisted": PythonServer(("-c", _TWISTED), ("nginx_combined", "python"), clock=2.0),
    "wsgiref": PythonServer(("-c", _WSGIREF), ("werkzeug", "python")),
    "aiohttp": PythonServer(("-c", _AIOHTTP.replace("{})", ")", 1)), ("nginx_combined", "python")),
    "aiohttp-dated": PythonServer(("-c", _DATED_AIOHTTP), ("nginx_combined", "python")),
}  # fmt: skip
MORE_SERVERS = {  # that `make test` does not start
    "tornado": PythonServer(("-c", _TORNADO), ("tornado", "python"), stopwatch=0.001),
    "uwsgi": PythonServer(_UWSGI, ("uwsgi",), stopwatch=0.0025),
    "uwsgi-micros": PythonServer((*_UWSGI, "--log-micros"), ("uwsgi",), stopwatch=0.001),
}
PLAIN_AGENTS = ("gunicorn-json",)  # gunicorn does not escape for JSON


def python_server(name: str, folder: Path, number: int) -> list[Recording]:
    server, port = (PYTHON_SERVERS | MORE_SERVERS)[name], free()
    requests = plan(number)
    if name in PLAIN_AGENTS:
        requests = [replace(request, agent="curl/8.5.0") for request in requests]
    argv = [sys.executable, *(part.replace("PORT", str(port)) for part in server.argv)]
    with program(argv, folder, port) as printed:
        sent = send(port, requests)
        # Some write their line after the answer, and end at once when they are told to.
        wait_until(lambda: printed.read_bytes().count(b"?status=") >= len(sent), LOGGED_WITHIN_SECONDS)
    source = {"formats": list(server.formats)}
    lines = printed.read_bytes()
    return [Recording(name, lines, sent, source, clock=server.clock, stopwatch=server.stopwatch)]


# ---------------------------------------------------------------- proxies

_SLOW = "/{version}/api/slow/{number}?seconds=0.5"
_ODD = "/{version}/api"


def _configured(name: str, folder: Path, **values: object) -> Path:
    """The configuration of that name, with the values in place of `@value@`."""
    text = (CONFIGS / name).read_text()
    for key, value in ({"folder": folder} | values).items():
        text = text.replace(f"@{key}@", str(value))
    (folder / name).write_text(text)
    return folder / name


def _backend(folder: Path, port: int) -> contextlib.AbstractContextManager[Path]:
    return program([sys.executable, str(SUPPORT / "line_app.py"), str(port)], folder, port)


@contextlib.contextmanager
def backends(folder: Path) -> Iterator[dict[str, int]]:
    """The ports of both versions, of a third party, and two that nobody listens on."""
    ports = {name: free() for name in ("first", "second", "third", "dead", "deader")}
    with contextlib.ExitStack() as stack:
        for name in ("first", "second", "third"):
            stack.enter_context(_backend(folder, ports[name]))
        yield ports


def _addresses(ports: dict[str, int]) -> dict[str, list[str]]:
    return {"v1": [f"{HOST}:{ports['first']}"], "v2": [f"{HOST}:{ports['second']}"]}


def _misleading(number: int) -> list[Request]:
    """As planned, under a path that alone would tell the wrong version: a proxy knows whom it asked."""
    return plan(number, "/{version}/api/v1")


def _others(first: int, version: str, prefix: str) -> list[Request]:
    return [Request(version, f"{prefix}/api/v1/x/{place}?status=200") for place in range(first, first + 6)]


def _clients_that_leave() -> list[Request]:
    return [*leaving(93000, "v1", _SLOW), *leaving(94000, "v2", _SLOW)]


def _in_order(port: int, requests: list[Request]) -> list[Sent]:
    return [sent for request in requests for sent in send(port, [request])]


def _all_logged(file: Path, sent: list[Sent]) -> bytes:
    """What is in the file as soon as it has a line for each request."""
    wait_until(lambda: file.exists() and file.read_bytes().count(b"\n") >= len(sent), LOGGED_WITHIN_SECONDS)
    return file.read_bytes()


def _environment(name: str) -> dict[str, str]:
    return programs.environment(programs.find(name))


_SCRAPERS = [
    Request("v2", "/v2/health", agent="Prometheus/2.42.0"),
    Request("v1", "/v1/health", agent="Blackbox Exporter/0.24.0"),
]


def nginx(folder: Path, number: int) -> list[Recording]:
    """Three logs of the same requests: combined, combined with `name=value` behind it, and JSON."""
    port, user = free(), "user root;" if os.geteuid() == 0 else ""
    with backends(folder) as ports:
        config = _configured("nginx.conf", folder, port=port, user=user, **ports)
        argv = [str(programs.find("nginx")), "-p", str(folder), "-e", "error.log", "-c", str(config)]
        requests = [
            *_others(90000, "v2", "/down"), *_others(91000, "v1", "/retry"), *_others(92000, UNKNOWN, "/billing"),
            *_clients_that_leave(), *odd(95000, _ODD),
        ]  # fmt: skip
        with program(argv, folder, port, _environment("nginx")):
            sent = [*send(port, _misleading(number)), *_in_order(port, requests)]
            _in_order(port, _SCRAPERS)
            plain, timed, json = (_all_logged(folder / f"{name}.log", sent) for name in ("plain", "timed", "json"))
    upstreams = _addresses(ports)
    upstreams["v2"] += ["pool_v2", f"{HOST}:{ports['dead']}", f"{HOST}:{ports['deader']}"]
    by_path = [replace(one, version=_by_path(one)) for one in sent]
    # What is no request goes to nobody; the log that prints a version whatever happens says it of this, too.
    by_field = [replace(one, version="v1") if not one.path else one for one in sent]
    combined, structured = {"formats": ["nginx_combined"]}, {"formats": ["nginx_json"]}
    return [
        Recording("nginx-combined", plain, by_path, combined, clock=1.0),
        Recording("nginx-timed", timed, sent, combined, upstreams=upstreams, clock=1.0, stopwatch=0.0025),
        Recording("nginx-json", json, by_field, structured, upstreams=upstreams, clock=0.0025, stopwatch=0.0025),
    ]


def _by_path(one: Sent) -> str:
    """The version that a path tells, where nothing else does."""
    steps = one.path.split("/")
    return next((version for version in ("v1", "v2") if version in steps), UNKNOWN)


def haproxy(folder: Path, number: int) -> list[Recording]:
    """The default log of HTTP; it names backend and server."""
    port = free()
    with backends(folder) as ports:
        config = _configured("haproxy.cfg", folder, port=port, **ports)
        argv = [str(programs.find("haproxy")), "-db", "-f", str(config)]
        requests = [
            *_others(90000, "v2", "/down"), *_others(92000, UNKNOWN, "/billing"), *_clients_that_leave(),
            *odd(95000, _ODD),
        ]  # fmt: skip
        with program(argv, folder, port, _environment("haproxy")) as printed:
            sent = [*send(port, _misleading(number)), *_in_order(port, requests)]
            lines = _all_logged(printed, sent)
    upstreams = {"v1": ["be_v1"], "v2": ["be_v2", "down_v2"]}
    return [Recording("haproxy", lines, sent, {"formats": ["haproxy"]}, upstreams=upstreams, stopwatch=0.0025)]


_APACHE_MODULES = ("mpm_event", "authz_core", "proxy", "proxy_http")


def apache(folder: Path, number: int) -> list[Recording]:
    """Its three usual logs, one with the time taken behind it. It does not say whom it asked: the path tells."""
    port, binary = free(), programs.find("apache2")
    home = binary.parents[1] / "lib/apache2/modules"
    modules = "\n".join(f"LoadModule {name}_module {home}/mod_{name}.so" for name in _APACHE_MODULES)
    with backends(folder) as ports:
        config = _configured("apache.conf", folder, port=port, modules=modules, **ports)
        with program([str(binary), "-X", "-f", str(config)], folder, port, _environment("apache2")):
            sent = [*send(port, plan(number, _ODD)), *_in_order(port, odd(95000, _ODD))]
            common, combined, vhost = (
                _all_logged(folder / f"{name}.log", sent) for name in ("common", "combined", "vhost")
            )
    source = {"formats": ["nginx_combined"]}
    return [
        Recording("apache-common", common, sent, source, clock=1.0),
        Recording("apache-combined", combined, sent, source, clock=1.0),
        Recording("apache-vhost", vhost, sent, source, clock=1.0, stopwatch=0.001),
    ]


CADDY_ENCODINGS = {
    "caddy": "",  # seconds as floats
    "caddy-nanoseconds": "time_format unix_nano\n duration_format nano",
    "caddy-milliseconds": "time_format unix_milli_float\n duration_format ms",
    "caddy-texts": "time_format rfc3339_nano\n duration_format string",
}
_CADDY_UNITS = {"caddy-nanoseconds": "ns", "caddy-milliseconds": "ms"}  # the field's name says none


def caddy(folder: Path, number: int) -> list[Recording]:
    """Its JSON, with times and durations in each unit."""
    return [_caddy(name, encoding, folder / name, number) for name, encoding in CADDY_ENCODINGS.items()]


def _caddy(name: str, encoding: str, folder: Path, number: int) -> Recording:
    port = free()
    folder.mkdir()
    with backends(folder) as ports:
        config = _configured("Caddyfile", folder, port=port, encoding=encoding, **ports)
        argv = [_script("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]
        with program(argv, folder, port, {"HOME": str(folder)}):
            sent = [*send(port, plan(number, _ODD)), *_in_order(port, _clients_that_leave())]
            lines = _all_logged(folder / "access.log", sent)
    unit = _CADDY_UNITS.get(name)
    formats = {"caddy": {"json": True, "units": {"duration": unit}}} if unit else {}
    return Recording(name, lines, sent, {"formats": ["caddy" if unit else "json"]}, formats, stopwatch=0.001)


def envoy(folder: Path, number: int) -> list[Recording]:
    """Its default text, and JSON with the usual names; durations are milliseconds there."""
    port = free()
    with backends(folder) as ports:
        config = _configured("envoy.yaml", folder, port=port, **ports)
        options = "--concurrency 1 --log-level error --use-dynamic-base-id --file-flush-interval-msec 100"
        with program([_script("envoy"), "-c", str(config), *options.split()], folder, port):
            sent = [*send(port, _misleading(number)), *_in_order(port, _clients_that_leave())]
            text, json = (_all_logged(folder / f"{name}.log", sent) for name in ("text", "json"))
    upstreams, declared = _addresses(ports), {"envoy_json": {"json": True, "units": {"duration": "ms"}}}
    return [
        Recording("envoy", text, sent, {"formats": ["envoy"]}, upstreams=upstreams, stopwatch=0.0025),
        Recording("envoy-json", json, sent, {"formats": ["envoy_json"]}, declared, upstreams, stopwatch=0.0025),
    ]


# ---------------------------------------------------------------- Node's loggers

NODE_LOGGERS = {"pino": "json", "pino-http": "json", "winston": "json", "morgan": "nginx_combined"}
NODE_LOGGERS |= dict.fromkeys(("morgan-short", "morgan-tiny", "morgan-dev"), "morgan")
NODE_MODULES = SUPPORT.parents[1] / ".bascule" / "node" / "node_modules"  # where `make real` puts them


def node(folder: Path, number: int) -> list[Recording]:
    """What pino, pino-http, winston and morgan write of requests to Node's own HTTP server."""
    return [_node(name, form, folder, number) for name, form in NODE_LOGGERS.items()]


def _node(name: str, form: str, folder: Path, number: int) -> Recording:
    port, environment = free(), {"NODE_PATH": str(NODE_MODULES), "LOGGER": name}
    with program(["node", str(CONFIGS / "line_app.js"), str(port)], folder, port, environment) as printed:
        sent = send(port, plan(number))
        lines = _all_logged(printed, sent)
    clock, stopwatch = (1.0, None) if name == "morgan" else (None if form == "morgan" else 0.001, 0.001)
    return Recording(name, lines, sent, {"formats": [form]}, clock=clock, stopwatch=stopwatch)


def _script(name: str) -> str:
    """A program that a wheel put beside the interpreter."""
    return str(Path(sys.executable).with_name(name))


Maker = Callable[[Path, int], list[Recording]]
PROXIES: dict[str, Maker] = {"nginx": nginx}  # of programs that `make test` has
OTHERS: dict[str, Maker] = {name: partial(python_server, name) for name in MORE_SERVERS} | {
    "haproxy": haproxy,
    "apache": apache,
    "caddy": caddy,
    "envoy": envoy,
    "node": node,
}
