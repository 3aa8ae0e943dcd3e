"""Log lines that real loggers and servers wrote of requests that are known, and what Bascule makes of them.

A recording is the lines, how a source of them is declared, and every request that was made. `held` reads the lines into
a store and holds each row against its request. line_makers.py makes recordings by running the real programs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

from bascule.logs import ingest, open_store, search
from bascule.spec import parse

RECORDED = Path(__file__).parents[1] / "fixtures" / "lines"
ROWS = 1_000_000
UNKNOWN = "unknown"
CENTURY = 36_000 * 86_400.0
LEFT = 499
NOTICED_SECONDS = 0.5
WRITTEN_SECONDS = 0.2
COARSE_SECONDS = 0.01  # that the kernel's cheap clock, which many servers ask, may be behind
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services:
  shop-v1: {{targets: ["127.0.0.1:8001"], version: v1, upstreams: {v1}}}
  shop-v2: {{targets: ["127.0.0.1:8002"], version: v2, upstreams: {v2}}}
signals:
  errors: {{kind: ratio, bad: 'http_requests_total{{status=~"5.."}}', total: http_requests_total, better: lower}}
phases:
  - {{share: 10%, hold: 1h, gates: {{errors: "<1%"}}}}
logs:
  sources: [{source}]
  formats: {formats}
  retention: 36500d
stack: {{state: {state}}}
"""


@dataclass(frozen=True)
class Sent:
    """A request that was made. `path` is "" for one that was no HTTP; its rows are told by their status alone.

    `status` is what the client was answered, `LEFT` where it left. `start` and `end` are Unix seconds by the client,
    who measures more than the service does; the service took `least` seconds at least.
    """

    method: str
    path: str
    status: int
    version: str
    start: float
    end: float
    least: float = 0.0


@dataclass(frozen=True)
class Recording:
    """Lines and the requests that they tell of.

    `source` is what the spec declares of the lines' source beside its files, `upstreams` the names that the versions
    go by. `clock` and `stopwatch` say how fine the line's time and the time taken are (seconds; None: not written).
    """

    name: str
    lines: bytes
    sent: list[Sent]
    source: dict[str, Any]
    formats: dict[str, Any] = field(default_factory=dict)
    upstreams: dict[str, list[str]] = field(default_factory=dict)
    clock: float | None = 0.001
    stopwatch: float | None = None
    has_method: bool = True

    def save(self, folder: Path = RECORDED) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.log").write_bytes(self.lines)
        facts = {name: value for name, value in asdict(self).items() if name not in ("lines", "sent")}
        sent = ",\n".join(json.dumps(list(asdict(one).values())) for one in self.sent)
        (folder / f"{self.name}.json").write_text(f'{{"facts": {json.dumps(facts)},\n"sent": [\n{sent}\n]}}\n')

    @classmethod
    def load(cls, name: str, folder: Path = RECORDED) -> Recording:
        document = json.loads((folder / f"{name}.json").read_text())
        lines = (folder / f"{name}.log").read_bytes()
        return cls(lines=lines, sent=[Sent(*one) for one in document["sent"]], **document["facts"])


@dataclass
class Held:
    """How many requests were sent and stored, and how many rows say something else than what was sent."""

    sent: int
    stored: int
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return self.sent == self.stored and not self.wrong

    def found(self, what: str, sent: Sent, row: dict[str, Any]) -> None:
        self.wrong[what] += 1
        if self.wrong[what] <= 2:
            self.examples.append(f"{what}: sent {sent}, stored {row}")


def held(recording: Recording, folder: Path) -> Held:
    """Read the recording's lines into a new store below `folder`, and compare."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = spec_of(recording, folder)
    (folder / "lines.log").write_bytes(recording.lines)
    with patch("bascule.logs.parsing.present.LATE_SECONDS", CENTURY):  # a recording is counted as if it were of now
        ingest(spec, [str(folder / "lines.log")])
    rows = [row for row in search(spec, limit=ROWS) if row["format"] != "text" and _is_request(row)]
    result = Held(len(recording.sent), len(rows))
    of_path = Counter(unquote(row.get("endpoint", "")) for row in rows)
    by_path = {unquote(row.get("endpoint", "")): row for row in rows}
    for sent in recording.sent:
        if not sent.path:
            continue
        path = unquote(sent.path)  # some loggers write it so
        if of_path[path] != 1:
            result.found("doubled" if of_path[path] else "lost", sent, {})
        else:
            for what in _differences(recording, sent, by_path[path]):
                result.found(what, sent, by_path[path])
    _hold_nameless(result, recording, [row for row in rows if "endpoint" not in row])
    _hold_counts(result, recording, folder)
    return result


def spec_of(recording: Recording, folder: Path) -> Any:
    source = {"name": "lines", "files": str(folder / "lines.log")} | recording.source
    names = {version: json.dumps(recording.upstreams.get(version, [])) for version in ("v1", "v2")}
    return parse(
        SPEC.format(source=json.dumps(source), formats=json.dumps(recording.formats), state=folder / "state", **names)
    )


def _is_request(row: dict[str, Any]) -> bool:
    return ("status" in row or "endpoint" in row) and row.get("caller") != "internal"


def _differences(recording: Recording, sent: Sent, row: dict[str, Any]) -> Iterator[str]:
    if row["version"] != sent.version:
        yield "version"
    if row.get("status") != sent.status:
        yield "outcome"
    if recording.has_method and row.get("method") != sent.method:
        yield "method"
    if recording.clock is None:
        if "timestamp" in row:
            yield "time"
    elif not _is_within(row.get("timestamp"), sent, recording.clock):
        yield "time"
    if recording.stopwatch is not None and not _took(row.get("response_time"), sent, recording.stopwatch):
        yield "time taken"


def _is_within(stamp: str | None, sent: Sent, resolution: float) -> bool:
    if stamp is None:
        return False
    at = datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()
    return sent.start - resolution - COARSE_SECONDS <= at <= sent.end + resolution + _noticed_within(sent)


def _took(seconds: float | None, sent: Sent, resolution: float) -> bool:
    most = sent.end - sent.start + resolution + _noticed_within(sent)
    return seconds is not None and sent.least - resolution <= seconds <= most


def _noticed_within(sent: Sent) -> float:
    """How long a proxy may take to see that a client has left, or a busy server to write down that it answered."""
    return NOTICED_SECONDS if sent.status == LEFT else WRITTEN_SECONDS


def _hold_nameless(result: Held, recording: Recording, rows: list[dict[str, Any]]) -> None:
    """Of what was no HTTP there is no path: as many rows of each status as were answered with it."""
    expected = Counter(sent.status for sent in recording.sent if not sent.path)
    found = Counter(row.get("status") for row in rows)
    for status in expected | found:
        if expected[status] != found[status]:
            result.wrong["nameless"] += abs(expected[status] - found[status])
            result.examples.append(f"nameless: {expected[status]} of {status} sent, {found[status]} stored")


def _hold_counts(result: Held, recording: Recording, folder: Path) -> None:
    """What Prometheus is told: requests by version and status."""
    store = open_store(folder / "state" / "logs")
    found: Counter[tuple[str, str]] = Counter()
    for (name, labels), number in store.tally.counters.items():
        if name == "bascule_log_requests_total":
            found[labels[0], labels[2]] += number
        if name == "bascule_log_left_total":  # left before patience: counted apart
            found[labels[0], str(LEFT)] += number
    store.close()
    expected = Counter((sent.version, str(sent.status)) for sent in recording.sent)
    if expected != found:
        result.wrong["counted"] += sum(((expected - found) + (found - expected)).values())
        result.examples.append(f"counted: more sent {dict(expected - found)}, more counted {dict(found - expected)}")
