"""What hostile inputs are given to: each target with its good inputs, and the errors by which it refuses."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from bascule import times
from bascule.api import IncidentsClient, JudgeClient, LogsClient, SlaClient
from bascule.api.models.logs import Search
from bascule.cli.options import parse_time
from bascule.errors import BasculeError
from bascule.incidents.intake import read as read_webhook
from bascule.logformat import BUILT_IN, PatternError, read_dissect
from bascule.logs import (
    Decoder,
    Intake,
    LogReader,
    Parser,
    ProtocolError,
    VersionFinder,
    built_in,
    compile_grok,
    ingest,
    line_of,
    read_time,
)
from bascule.logs.reading.beats import piece_of
from bascule.logs.storing.counts import counts
from bascule.logs.storing.places import root_of
from bascule.logs.storing.query import moment, search
from bascule.prometheus import Alertmanager, Prometheus, labels_of
from bascule.prometheus.matrix import matrix_of, parse_matrix
from bascule.spec import Selector, Spec, built_in_text, load, parse
from bascule.spec.quantities import parse_duration, parse_moment, parse_quantity, parse_rate, parse_share
from bench.fuzzing import hostile

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/browser"), str(ROOT / "tests/support")]


@dataclass(frozen=True)
class Target:
    """`give` takes an input, or refuses it with one of `allowed`; anything else is a failure."""

    make: Callable[[random.Random], bytes]
    give: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]


Made = Callable[[], AbstractContextManager[Target]]
TARGETS: dict[str, Made] = {}


def target(name: str) -> Callable[[Callable[[], Iterator[Target]]], Made]:
    def add(make: Callable[[], Iterator[Target]]) -> Made:
        TARGETS[name] = contextmanager(make)
        return TARGETS[name]

    return add


def of_texts(seeds: Sequence[str], give: Callable[[str], object], *allowed: type[Exception]) -> Target:
    raw = [seed.encode() for seed in seeds]
    return Target(partial(hostile.of_bytes, raw), lambda data: give(data.decode("utf-8", "surrogateescape")), allowed)


def of_documents(seeds: Sequence[Any], give: Callable[[bytes], object], *allowed: type[Exception]) -> Target:
    return Target(partial(hostile.of_json, seeds), give, allowed)


# ---------------------------------------------------------------- what a user writes


@target("spec")
def _spec() -> Iterator[Target]:
    golden = [path.read_text("utf-8") for path in sorted((ROOT / "tests/fixtures/golden").glob("*/spec.yaml"))]
    small = [text for text in golden if len(text) < 4000] or golden
    yield of_texts([*small * 4, *golden, built_in_text()], parse, BasculeError)


@target("selectors")
def _selectors() -> Iterator[Target]:
    seeds = ['http_requests_total{status=~"5..",job!="x"}', "{__name__=~'a_(b|c)_d'}", "x{a!~`b`}", 'a:b{c="\\u00e9"}']

    def give(text: str) -> None:
        found = Selector.parse(text)
        Selector.parse(str(found))
        found.names  # noqa: B018

    yield of_texts(seeds, give, ValueError)


@target("times")
def _times() -> Iterator[Target]:
    seeds = ["2026-01-31T08:00:00Z", "now-7d", "1h30m", "now+30m", "31/Jan/2026:12:00:00 +0100", "1769846400.123",
             "5 %", "Jan 31 12:00:00", "10/s", "Sat, 31 Jan 2026 08:00:00 GMT", "1769846400000", "2w",
             "20pt", "1.5GiB"]  # fmt: skip
    readers = (times.parse, parse_time, moment, read_time, parse_moment, parse_duration, parse_quantity, parse_share,
               parse_rate)  # fmt: skip

    def give(text: str) -> None:
        for read in readers:
            try:
                read(text)
            except (ValueError, BasculeError):
                continue

    yield of_texts(seeds, give)


# ---------------------------------------------------------------- log lines


def _lines() -> list[str]:
    folder = ROOT / "tests/fixtures/lines"
    found = [line for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size < 200_000
             for line in path.read_text("utf-8", "replace").splitlines()[:20]]  # fmt: skip
    return found or ["2026-01-31T12:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u1 endpoint=/m status=200"]


@target("log lines")
def _log_lines() -> Iterator[Target]:
    parser = Parser(tuple(built_in(name) for name in BUILT_IN))
    finder = VersionFinder.of(load("supersmartmatch"))
    raw = [line.encode() for line in _lines()]

    def give(data: bytes) -> None:
        for rows in parser.parse(data.replace(b"\n", b"\r") + b"\n"):
            finder.add(rows)

    yield Target(partial(hostile.of_bytes, raw), give, ())


@target("formats and patterns")
def _patterns() -> Iterator[Target]:
    seeds = [
        "%{TIMESTAMP_ISO8601:timestamp} %{LOGLEVEL:level} %{GREEDYDATA:message}",
        "%{IPORHOST:client} (?<status>[0-9]{3}) (?:-|%{NUMBER:response_time:float})",
        "(?<a>(x+x+)+y)|(?=b)c(?P=a)",
        "%{+timestamp} %{?skip} [%{level->}] %{message}",
    ]
    lines = [*_lines()[:3], "x" * 40, "a b c d", ""]

    def give(text: str) -> None:
        try:
            reader = compile_grok(text)
        except PatternError:
            read_dissect(text)
            return
        reader.read_many(lines)

    yield of_texts(seeds, give, PatternError)


@target("Beats frames")
def _beats() -> Iterator[Target]:
    import struct
    import zlib

    event = {"@timestamp": "2026-01-31T12:00:01.000Z", "message": _lines()[0],
             "log": {"offset": 7, "file": {"path": "/a", "inode": "7", "device_id": "1"}},
             "agent": {"id": "a"}}  # fmt: skip
    intake = Intake(
        "beats", Parser((built_in("api_call"), built_in("json"))), VersionFinder.of(load("supersmartmatch"))
    )

    def fail(reason: str) -> None:
        raise AssertionError(f"an event breaks the reader: {reason}")

    intake.problem = fail

    def frame(payload: bytes) -> bytes:
        return b"2J" + struct.pack(">II", 1, len(payload)) + payload

    def make(chance: random.Random) -> bytes:
        frames = b"".join(frame(hostile.of_json([event], chance)) for _ in range(chance.randint(1, 3)))
        if chance.random() < 0.5:
            data = zlib.compress(frames)
            frames = b"2C" + struct.pack(">I", len(data)) + data
        whole = b"2W" + struct.pack(">I", 3) + frames
        return hostile.of_bytes([whole], chance) if chance.random() < 0.5 else whole

    def give(data: bytes) -> None:
        decoder, cut = Decoder(), len(data) // 2
        portions = chain(decoder.feed(data[:cut]), decoder.feed(data[cut:]))
        found = [event for portion in portions for event in portion]
        lines = [line_of(each.payload, True, "c", number) for number, each in enumerate(found[:20], start=1)]
        if lines:
            intake.batch([piece_of(lines, intake)])

    yield Target(make, give, (ProtocolError,))


# ---------------------------------------------------------------- answers of other programs


class Answering(httpx.MockTransport):
    """A server that answers everything with `body`."""

    def __init__(self) -> None:
        self.body = b""
        super().__init__(lambda request: httpx.Response(200, content=self.body))

    def asked(self, *questions: Callable[[], object]) -> Callable[[bytes], None]:
        """What gives an answer to each question in turn."""

        def give(data: bytes) -> None:
            self.body = data
            for ask in questions:
                try:
                    ask()
                except BasculeError:
                    continue

        return give


@target("Prometheus' answers")
def _prometheus() -> Iterator[Target]:
    series = {"metric": {"__name__": "up", "job": "a"}, "values": [[1, "1"], [2.5, "NaN"]]}
    seeds = [
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1, "1"]}]}},
        {"status": "success", "data": {"resultType": "matrix", "result": [series, series]}},
        {"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}},
        {"status": "success", "data": {"alerts": [{"labels": {"alertname": "A"}, "annotations": {}, "state": "firing",
                                                   "activeAt": "2026-01-31T08:00:00Z", "value": "1"}]}},
        {"status": "success", "data": {"groups": [{"name": "g", "rules": [{"name": "r", "query": "up"}]}]}},
        {"status": "success", "data": {"activeTargets": [{"labels": {"job": "a"}, "scrapeUrl": "http://a/metrics",
                                       "health": "up", "lastError": "", "scrapeInterval": "1s",
                                       "scrapeTimeout": "1s"}]}},
        {"status": "success", "data": ["a", "b"]},
        {"status": "success", "data": {"storage.tsdb.retention.time": "1d", "version": "3.5.0"}},
        {"status": "error", "errorType": "bad_data", "error": "no"},
    ]  # fmt: skip

    server = Answering()
    client = Prometheus("http://p", transport=server)
    give = server.asked(
        lambda: client.instant("up"), lambda: client.scalar("up"), lambda: client.raw("up", 5),
        lambda: client.matrix("up", 5), lambda: client.range("up", 0, 10, 1), client.alerts, client.rules,
        client.targets, client.alertmanagers, client.flags, client.version, client.series_counts, client.label_names,
        client.started,
    )  # fmt: skip
    yield of_documents(seeds, give)


@target("Prometheus' samples")
def _samples() -> Iterator[Target]:
    """As it writes them, to the byte: what is read as arrays. Where both can read it, so does the ordinary reading."""
    series = ['{"metric":{"__name__":"up","job":"a"},"values":[[1769846400.123,"1"],[1769846401,"NaN"]]}',
              r'{"metric":{"a":"\"},\"values\":[["},"values":[[1769846400,"1.5e+06"]]}']  # fmt: skip
    head = '{"status":"success","data":{"resultType":"matrix","result":['
    seeds = [f"{head}{','.join(series[:number])}]}}}}".encode() for number in (1, 2)]

    def give(data: bytes) -> None:
        found = parse_matrix(data)
        if found is None:
            return
        labels = [labels_of(each) for each in found.labels]
        plain = matrix_of(json.loads(data)["data"]["result"])
        assert labels == [labels_of(each) for each in plain.labels]
        assert found.times.tolist() == plain.times.tolist()
        assert list(map(repr, found.values.tolist())) == list(map(repr, plain.values.tolist()))

    yield Target(partial(hostile.of_bytes, seeds), give, (BasculeError,))


@target("remote writes")
def _writes() -> Iterator[Target]:
    import cramjam
    import remote_write

    from bascule.judge import WriteReader

    up = {"__name__": "up", "job": "v1", "instance": "a:1"}
    sent = [
        remote_write.request([(up, [(1769846400.0, 1.0)]), (up | {"code": "200"}, [(1769846400.0, 7.5)])]),
        remote_write.request([(up, [(1769846400.0, 0.0), (1769846401.0, remote_write.STALE)])]),
    ]
    plain = [bytes(cramjam.snappy.decompress_raw(each)) for each in sent]
    reader = WriteReader(lambda labels: 0)

    def make(chance: random.Random) -> bytes:
        if chance.random() < 0.2:
            return hostile.of_bytes(sent, chance)
        return bytes(cramjam.snappy.compress_raw(hostile.of_bytes(plain, chance)))

    yield Target(make, reader.read, (BasculeError,))


@target("Alertmanager's answers")
def _alertmanager() -> Iterator[Target]:
    seeds = [
        [{"labels": {"alertname": "A", "severity": "critical"}, "annotations": {"summary": "s"}, "fingerprint": "f",
          "startsAt": "2026-01-31T08:00:00Z", "endsAt": "2026-01-31T09:00:00Z", "status": {"state": "active"}}],
        [{"id": "1", "startsAt": "2026-01-31T08:00:00Z", "endsAt": "2026-01-31T09:00:00Z", "comment": "c",
          "matchers": [{"name": "alertname", "value": "A.*", "isRegex": True, "isEqual": True}]}],
        {"uptime": "2026-01-31T08:00:00Z", "versionInfo": {"version": "0.27.0"}},
        {"silenceID": "1"},
    ]  # fmt: skip

    server = Answering()
    client = Alertmanager("http://a", transport=server)
    at = datetime(2026, 1, 31, 8, 30, tzinfo=UTC).timestamp()
    give = server.asked(
        client.alerts, client.started, lambda: client.silence({}),
        lambda: [each.covers({"alertname": "ABC"}, at) for each in client.silences()],
    )  # fmt: skip
    yield of_documents(seeds, give)


@target("answers to the console")
def _console() -> Iterator[Target]:
    import pretend

    roles, spec = pretend.Roles(pretend.Story()), load("supersmartmatch")
    told = [
        roles.judge("/api/verdict"),
        *(roles.incidents(path) for path in ("/api/timeline", "/api/phase")),
        roles.incidents("/api/incidents"),
        *(roles.logs(path) for path in ("/api/counts", "/api/search", "/api/stats")),
    ]

    server = Answering()
    judge, journal = JudgeClient(spec, transport=server), IncidentsClient(spec, transport=server)
    logs, sla = LogsClient(spec, transport=server), SlaClient(spec, transport=server)
    give = server.asked(
        judge.verdict, journal.phase, journal.timeline, journal.incidents, journal.notices, journal.maintenance,
        journal.owed, journal.comparison, logs.stats, lambda: logs.search(Search()), lambda: logs.counts(Search()),
        sla.reports,
    )  # fmt: skip
    yield of_documents([json.loads(text) for _, _, text in told], give)


@target("Alertmanager's webhook")
def _webhook() -> Iterator[Target]:
    alert = {"status": "firing", "labels": {"alertname": "ErrorRateHigh", "severity": "critical", "version": "v2"},
             "annotations": {"summary": "s", "description": "d"}, "startsAt": "2026-01-31T08:00:00Z",
             "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p", "fingerprint": "f"}  # fmt: skip
    seeds = [{"version": "4", "groupKey": "{}", "status": "firing", "receiver": "r", "groupLabels": {},
              "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://a", "truncatedAlerts": 0,
              "alerts": [alert, {**alert, "status": "resolved", "endsAt": "2026-01-31T09:00:00Z"}]}]  # fmt: skip
    with _roles() as (spec, apps):
        from api_caller import operator

        client = operator(apps["incidents"], spec)

        def give(data: bytes) -> None:
            answer = client.post("/api/webhook", content=data, headers={"Content-Type": "application/json"})
            assert answer.status_code in (200, 400), (answer.status_code, answer.text[:300])
            try:
                read_webhook(json.loads(data), time.time())
            except (ValueError, RecursionError, BasculeError):
                return

        yield of_documents(seeds, give)


@contextmanager
def _roles() -> Iterator[tuple[Spec, dict[str, Any]]]:
    """The application of every role, as it is served; what they would ask is not there."""
    from api_caller import with_state
    from api_roles import applications

    from bascule.processes import ports

    with tempfile.TemporaryDirectory(prefix="bascule-fuzz-") as folder:
        spec = with_state(load("supersmartmatch"), Path(folder) / "state")
        away = ports.free_together(spec.stack.ports.model_dump())
        stack = spec.stack.model_copy(update={"ports": spec.stack.ports.model_copy(update=away)})
        spec = spec.model_copy(update={"stack": stack})
        with applications(spec) as apps:
            yield spec, apps


# ---------------------------------------------------------------- search


@target("search")
def _search() -> Iterator[Target]:
    spec = load("supersmartmatch")
    with tempfile.TemporaryDirectory(prefix="bascule-fuzz-") as name:
        folder = Path(name)
        log = folder / "app.log"
        log.write_text("\n".join(line for line in _lines() if "\x00" not in line) + "\n", "utf-8", "replace")
        source = next(iter(spec.logs.named))
        own = spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": folder})})
        ingest(own, [str(log)], source)
        reader = LogReader(root_of(own))
        seeds = ["status>=500", "endpoint~match.*", "user_id!=u1", "/(a|b)+c/", "timestamp>now-1h", "1h", "level=ERROR"]

        def give(text: str) -> None:
            for ask in (
                lambda: search(reader, text, None, [], 5),
                lambda: search(reader, "", moment(text), [], 5),
                lambda: search(reader, "", None, [text], 5),
                lambda: counts(reader, text, None, [text]),
            ):
                try:
                    ask()
                except BasculeError:
                    continue

        yield of_texts(seeds, give)


def served() -> AbstractContextManager[tuple[Spec, dict[str, Any]]]:
    """For what asks their HTTP."""
    return _roles()
