"""Recordings of loggers: what Python's logging, in many layouts, and the structured loggers print."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ecs_logging
import loguru
import structlog
from line_requests import Request, plan
from lines import Recording, Sent
from pythonjsonlogger.json import JsonFormatter

EVENT = "API_CALL user_id={user} endpoint={target} response_time={seconds} status={status}"
NOISE = 7  # after so many requests something else is logged
EVENTS: dict[str, Any] = {"formats": ["api_call", "match_result", "python"]}
LAYOUTS: dict[str, tuple[str, float | None]] = {
    "dashes": ("%(asctime)s - %(name)s - %(levelname)s - %(message)s", 0.001),
    "blanks": ("%(asctime)s %(levelname)s %(name)s %(message)s", 0.001),
    "brackets": ("%(asctime)s [%(levelname)s] %(name)s: %(message)s", 0.001),
    "basic": (logging.BASIC_FORMAT, None),
    "flask": ("[%(asctime)s] %(levelname)s in %(module)s: %(message)s", 0.001),
    "padded": ("%(asctime)s.%(msecs)03d %(levelname)-8s %(name)s:%(lineno)d %(message)s", 0.001),
    "pipes": ("%(asctime)s | %(levelname)-8s | %(name)s | %(message)s", 0.001),
    "verbose": ("%(levelname)s %(asctime)s %(module)s %(process)d %(thread)d %(message)s", 0.001),
    "workers": ("[%(asctime)s: %(levelname)s/%(processName)s] %(message)s", 0.001),
    "threads": ("%(asctime)s [%(threadName)s] %(levelname)s %(name)s - %(message)s", 0.001),
    "places": ("%(levelname)s [%(asctime)s] %(filename)s:%(lineno)d - %(message)s", 0.001),
    "letters": ("%(asctime)s %(process)d %(levelname)s %(name)s %(funcName)s: %(message)s", 0.001),
    "time": ("%(asctime)s %(message)s", 0.001),
    "epoch": ("%(created)f %(levelname)s %(name)s %(message)s", 0.001),
    "alone": ("%(message)s", None),
    "level": ("%(levelname)s: %(message)s", None),
}
SHORT_TIMES = {"padded": "%Y-%m-%d %H:%M:%S"}
Log = Callable[[Request, float], None]  # a request that took so many seconds
Noise = Callable[[int], None]
Fields = Callable[[Request, float], dict[str, Any]]


def layouts(number: int) -> list[Recording]:
    return [_of_layout(name, fmt, clock, number) for name, (fmt, clock) in LAYOUTS.items()]


def _of_layout(name: str, layout: str, clock: float | None, number: int) -> Recording:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(layout, SHORT_TIMES.get(name)))
    loggers = {version: _logger(f"shop-{version}", handler) for version in ("v1", "v2")}
    by_name = "%(name)s" in layout

    def log(request: Request, seconds: float) -> None:
        status = _status(request)
        level = logging.ERROR if status >= 500 else logging.INFO
        target = unquote(request.path).replace(" ", "%20")
        loggers[request.version].log(level, _event(request, seconds, target))

    def noise(place: int) -> None:
        _noise(loggers["v1"], place)

    sent = _logged(log, noise, plan(number, "/api" if by_name else "/api/{version}"))
    return Recording(f"logging-{name}", stream.getvalue().encode(), sent, EVENTS, clock=clock, stopwatch=0.0,
                     has_method=False)  # fmt: skip


def _event(request: Request, seconds: float, target: str) -> str:
    return EVENT.format(user=f"u-{len(target)}", target=target, seconds=seconds, status=_status(request))


def _logger(name: str, handler: logging.Handler) -> logging.Logger:
    logger = logging.Logger(name)
    logger.addHandler(handler)
    return logger


def _noise(logger: Any, place: int) -> None:
    """What else a service logs: events, traces, messages of several lines, and what only looks like a request."""
    kind = place // NOISE % 4
    if kind == 0:
        logger.info("MATCH_RESULT candidate_id=c1 job_id=j1 accuracy=0.8712345678901234 algorithm=nexten")
    elif kind == 1:
        try:
            json.loads("{")
        except ValueError:
            logger.exception("could not read the answer")
    elif kind == 2:
        logger.warning("the line 'API_CALL user_id=x endpoint=/y response_time=1 status=500' is not understood")
    else:
        logger.info("configuration:\n  workers: 4\n  status=500")


def _status(request: Request) -> int:
    return int(request.target.partition("status=")[2].partition("&")[0])


def _logged(log: Log, noise: Noise, requests: list[Request]) -> list[Sent]:
    sent = []
    for place, request in enumerate(requests):
        start, began = time.time(), time.perf_counter()
        if request.seconds:
            time.sleep(request.seconds)
        log(request, time.perf_counter() - began)
        sent.append(
            Sent(request.method, request.path, _status(request), request.version, start, time.time(), request.seconds)
        )
        if place % NOISE == 0:
            noise(place)
    return sent


def loguru_lines(number: int) -> list[Recording]:
    stream = io.StringIO()
    logger = loguru.logger
    logger.remove()
    sink = logger.add(stream, colorize=False)
    sent = _logged(
        lambda request, seconds: logger.info(_event(request, seconds, request.path)),
        lambda place: _noise(logger, place),
        plan(number),
    )
    logger.remove(sink)
    return [Recording("loguru", stream.getvalue().encode(), sent, EVENTS, stopwatch=0.0, has_method=False)]


# ---------------------------------------------------------------- structured loggers


RENAMED = {"created": "ts", "levelname": "severity", "name": "logger"}


def json_loggers(number: int) -> list[Recording]:
    renamed = JsonFormatter("{created}{levelname}{name}{message}", style="{", rename_fields=RENAMED)
    standard: dict[str, tuple[logging.Formatter, Fields]] = {
        "python-json-logger": (JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"), _plain),
        "python-json-logger-renamed": (renamed, _milliseconds),
        "ecs-logging": (ecs_logging.StdlibFormatter(), _ecs),
    }
    return [_of_formatter(name, formatter, fields, number) for name, (formatter, fields) in standard.items()]


def _plain(request: Request, seconds: float) -> dict[str, Any]:
    return {"method": request.method, "path": request.target, "status": _status(request), "duration": seconds}


def _milliseconds(request: Request, seconds: float) -> dict[str, Any]:
    figures = {"status_code": str(_status(request)), "duration_ms": seconds * 1000, "version": "2.14.3"}
    return {"request": {"method": request.method, "uri": request.target}} | figures


def _ecs(request: Request, seconds: float) -> dict[str, Any]:
    return {
        "http.request.method": request.method,
        "url.path": request.path,
        "http.response.status_code": _status(request),
        "event.duration": round(seconds * 1e9),
    }


def _of_formatter(name: str, formatter: logging.Formatter, fields: Fields, number: int) -> Recording:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    loggers = {version: _logger(f"shop-{version}", handler) for version in ("v1", "v2")}

    def log(request: Request, seconds: float) -> None:
        loggers[request.version].info("request handled", extra=fields(request, seconds))

    sent = _logged(log, lambda place: _noise(loggers["v1"], place), plan(number, "/api"))
    return Recording(name, stream.getvalue().encode(), sent, {"formats": ["json", "api_call"]}, stopwatch=1e-6)


_ISO = structlog.processors.TimeStamper(fmt="iso")
_DATED = structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S.%f", utc=True)
_IN_ORDER = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
STRUCTLOG: dict[str, tuple[list[Any], str]] = {
    "structlog-json": ([_ISO, structlog.processors.JSONRenderer()], "json"),
    "structlog-epoch": ([structlog.processors.TimeStamper(), structlog.processors.JSONRenderer()], "json"),
    "structlog-ecs": ([ecs_logging.StructlogFormatter()], "json"),
    "structlog-logfmt": ([_ISO, structlog.processors.LogfmtRenderer()], "logfmt"),
    "structlog-pairs": ([_ISO, _IN_ORDER], "logfmt"),
    "structlog-console": ([_DATED, structlog.dev.ConsoleRenderer(colors=False)], "logfmt"),
    "structlog-colours": ([_ISO, structlog.dev.ConsoleRenderer(colors=True)], "logfmt"),
}


def structlogs(number: int) -> list[Recording]:
    return [_of_structlog(name, *how, number) for name, how in STRUCTLOG.items()]


def _of_structlog(name: str, processors: list[Any], form: str, number: int) -> Recording:
    stream = io.StringIO()
    add_level = structlog.processors.add_log_level
    logger = structlog.wrap_logger(structlog.WriteLogger(stream), processors=[add_level, *processors])
    fields = _ecs if "ecs" in name else _plain

    def log(request: Request, seconds: float) -> None:
        said = fields(request, seconds)
        logger.info("request handled", version=request.version, **said)

    sent = _logged(log, lambda place: logger.info("started", workers=4), plan(number, "/api"))
    return Recording(name, stream.getvalue().encode(), sent, {"formats": [form]}, stopwatch=1e-6)


def loggers(folder: Path, number: int) -> list[Recording]:
    """Every logger's; nothing is started, so that this takes a second."""
    return [*layouts(number), *loguru_lines(number), *json_loggers(number), *structlogs(number)]


NAMES = [
    *(f"logging-{name}" for name in LAYOUTS), "loguru", "python-json-logger", "python-json-logger-renamed",
    "ecs-logging", *STRUCTLOG,
]  # fmt: skip
