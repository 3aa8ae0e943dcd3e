"""The sample services: one Flask application, run three times as V1, V2 and the Nexten matcher behind V2.

    python -m gunicorn -c python:bascule.lab.gunicorn_hooks "bascule.lab.services:create_app('settings.json')"

    POST /api/match   {"number", "user_id", "candidate_id", "job_id"} -> the match, or 500
    POST /api/rate    {"number", "user_id", "stars"}
    GET  /health, /metrics

The segment and the partner come in the headers X-User-Segment and X-Partner.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import redis
from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from redis.backoff import NoBackoff
from redis.retry import Retry

from bascule.conventions import NONE, UNKNOWN
from bascule.instrument import Instrument
from bascule.instrument.logging import EventLog, LineFormatter
from bascule.lab.files import replace_text
from bascule.lab.profiles import BehaviourFile, LabRequest, Outcome, draw

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MATCH, RATE, METRICS = "/api/match", "/api/rate", "/metrics"
FALLBACK = "fallback"  # the algorithm of an answer that the emergency fallback gave
PROFILES_CACHED = 200  # keys that the lab fills before the first request
BACKEND_SECONDS = 0.25
CACHE_SECONDS = 0.1
PSEUDONYM_KEY = b"the lab's users do not exist"  # one for all workers, so that a user has one pseudonym

logger = logging.getLogger("bascule.lab")


@dataclass(frozen=True)
class Settings:
    """What one service is told; kept as a JSON file, for gunicorn's workers to read."""

    service: str
    version: str
    algorithm: str
    behaviour: str  # path of the BehaviourFile
    instrument: str  # path of instrument.json
    log: str
    redis: str  # host:port
    backend: str | None = None  # host:port of the service that a part of the matches is asked from
    matches: bool = True  # a backend's answers are not matches of their own: they would count twice
    seed: int = 1

    def write(self, path: Path) -> None:
        replace_text(path, json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, path: Path) -> Settings:
        return cls(**json.loads(path.read_text("utf-8")))


def create_app(settings_path: str) -> Flask:
    """The application of the service that a settings file describes."""
    return SampleService(Settings.read(Path(settings_path))).application()


class SampleService:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.instrument = Instrument(version=settings.version, config=settings.instrument)
        self._behaviour = BehaviourFile(Path(settings.behaviour))
        self._cache = Cache(settings.redis, settings.service)
        self._events = _events(settings, self._seconds_ahead)
        self._backend = Backend(settings.backend) if settings.backend else None

    def application(self) -> Flask:
        app = Flask(self.settings.service)
        app.before_request(self._begin)
        app.after_request(self._log_call)
        app.add_url_rule(MATCH, "match", self.match, methods=["POST"])
        app.add_url_rule(RATE, "rate", self.rate, methods=["POST"])
        app.add_url_rule("/health", "health", lambda: jsonify(status="ok", version=self.settings.version))
        self.instrument.init_flask(app)
        app.wsgi_app = self._or_false_metrics(app.wsgi_app)  # type: ignore[method-assign,assignment]
        return app

    def match(self) -> ResponseReturnValue:
        outcome = self._meet()
        if outcome.not_found:
            return jsonify(error="no such path"), 404
        self._look_up(outcome)
        falls_back = outcome.falls_back or not self._backend_helps(outcome)
        self._take_time(outcome)
        if outcome.fails:
            return jsonify(error="no match could be made"), 500
        self._record(outcome, falls_back)
        return jsonify(
            version=self.settings.version,
            success=outcome.success,
            accuracy=outcome.score,
            value=outcome.value,
            satisfaction=self._behaviour.read().satisfaction,
        )

    def rate(self) -> ResponseReturnValue:
        outcome = self._meet()
        self._take_time(outcome)
        if outcome.fails:
            return jsonify(error="the rating was not kept"), 500
        self.instrument.record_rating(self.settings.version, _segment(), _asked()["stars"])
        return jsonify(version=self.settings.version)

    def _seconds_ahead(self) -> float:
        return self._behaviour.read().clock_ahead

    def _begin(self) -> None:
        g.started = time.perf_counter()

    def _or_false_metrics(self, app: WSGIApplication) -> WSGIApplication:
        """The application, with the page that a fault puts in the place of its metrics."""

        def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            page = self._behaviour.read().metrics_page if environ["PATH_INFO"] == METRICS else ""
            if not page:
                return app(environ, start)
            return Response(Path(page).read_text("utf-8"), content_type="text/plain; version=0.0.4")(environ, start)

        return answer

    def _meet(self) -> Outcome:
        """The request's luck hangs on its own number, so that a run can be repeated whichever worker serves it."""
        luck = Random(f"{self.settings.seed}/{request.path}/{_asked()['number']}")
        return draw(self._behaviour.read(), LabRequest(_segment(), _partner(), request.path), luck)

    def _look_up(self, outcome: Outcome) -> None:
        number = _asked()["number"]
        key = f"profile:{number % PROFILES_CACHED}" if outcome.cached else f"rare:{number}"
        self.instrument.record_cache(self.settings.version, self._cache.has(key))

    def _backend_helps(self, outcome: Outcome) -> bool:
        if self._backend is None or not outcome.asks_backend:
            return True
        return self._backend.ask(_asked(), _segment())

    def _take_time(self, outcome: Outcome) -> None:
        time.sleep(max(0.0, g.started + outcome.seconds - time.perf_counter()))

    def _record(self, outcome: Outcome, falls_back: bool) -> None:
        settings, segment, partner = self.settings, _segment(), _partner()
        if not settings.matches:
            return
        algorithm = FALLBACK if falls_back else settings.algorithm
        self.instrument.record_match_result(
            settings.version, algorithm, segment, outcome.score, outcome.success, outcome.value
        )
        if falls_back:
            self.instrument.record_fallback(settings.version, MATCH, segment)
        if partner != NONE:
            self.instrument.record_format_check(settings.version, partner, outcome.compatible)
            self.instrument.record_rate_limit(settings.version, segment, partner, True)
        self._log_match(outcome, algorithm)

    def _log_match(self, outcome: Outcome, algorithm: str) -> None:
        asked = _asked()
        self._events.match_result(asked["candidate_id"], asked["job_id"], outcome.score, algorithm)

    def _log_call(self, response: Response) -> Response:
        if request.path in (MATCH, RATE):
            seconds = time.perf_counter() - g.started
            self._events.api_call(_asked()["user_id"], request.path, seconds, response.status_code)
        return response


class Cache:
    """What the service looks up in Redis before it works. An answer that does not come counts as a miss."""

    def __init__(self, address: str, prefix: str) -> None:
        host, _, port = address.rpartition(":")
        self._prefix = prefix
        self._redis = redis.Redis(
            host,
            int(port),
            socket_timeout=CACHE_SECONDS,
            socket_connect_timeout=CACHE_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a dead connection is renewed; the default waits for seconds
        )

    def has(self, key: str) -> bool:
        """Whether the key is there; it is from now on."""
        name = f"{self._prefix}:{key}"
        try:
            if self._redis.get(name) is not None:
                return True
            self._redis.set(name, "1", ex=None if key.startswith("profile:") else 60)
        except redis.RedisError as error:
            logger.warning("cache: %s", error)
        return False

    def fill(self) -> None:
        """Put every common key in, so that a young service is not a cold one."""
        self._redis.mset({f"{self._prefix}:profile:{number}": "1" for number in range(PROFILES_CACHED)})


class Backend:
    """Asks the matcher behind V2, over one kept-alive connection per thread."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._kept = threading.local()

    def ask(self, asked: dict[str, Any], segment: str) -> bool:
        """Whether it answered well and in time; if not, the caller has to fall back."""
        body = json.dumps(asked)
        headers = {"Content-Type": "application/json", "X-User-Segment": segment}
        try:
            connection = self._connection()
            connection.request("POST", MATCH, body, headers)
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException) as error:
            self._kept.connection = None
            logger.warning("backend %s: %s", self._address, error or type(error).__name__)
            return False
        return response.status == 200

    def _connection(self) -> HTTPConnection:
        connection: HTTPConnection | None = getattr(self._kept, "connection", None)
        if connection is None:
            connection = self._kept.connection = HTTPConnection(self._address, timeout=BACKEND_SECONDS)
        return connection


class _Clock(logging.Filter):
    """Writes the time of a machine whose clock is ahead."""

    def __init__(self, ahead: Callable[[], float]) -> None:
        super().__init__()
        self._ahead = ahead

    def filter(self, record: logging.LogRecord) -> bool:
        record.created += self._ahead()
        return True


def _asked() -> dict[str, Any]:
    asked: dict[str, Any] = request.get_json()
    return asked


def _segment() -> str:
    return request.headers.get("X-User-Segment", UNKNOWN)


def _partner() -> str:
    return request.headers.get("X-Partner", NONE)


def _events(settings: Settings, ahead: Callable[[], float]) -> EventLog:
    """The service's log file, shared by its workers: each line is one write at the file's end."""
    handler = logging.FileHandler(settings.log)
    handler.setFormatter(LineFormatter(settings.service))
    handler.addFilter(_Clock(ahead))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return EventLog(logger, settings.version, key=PSEUDONYM_KEY)
