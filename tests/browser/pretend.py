"""A small house for the console to look at: a real Prometheus scraping pretended services, and pretended roles.

Everything moves with the clock, nothing by chance. `python tests/browser/pretend.py` keeps it standing to look at.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from bascule import console
from bascule.api import IncidentsClient, Tokens
from bascule.api.models.logs import FACETS
from bascule.api.proof import ListenerProof, address_of, proof_of
from bascule.api.server import serve
from bascule.delivery import Outbox
from bascule.generate import generate
from bascule.incidents.app import create
from bascule.incidents.model import PhaseStep
from bascule.incidents.store import Store
from bascule.processes import ports, programs
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load

SEGMENTS = {"enterprise": 20.0, "api_partners": 12.0, "freemium": 30.0}
BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.5, 1.0)
HOSTILE = '<img src=x onerror="document.title=1"><script>alert(1)</script>'


def rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is nothing to tell."""


def proof_for(spec: Spec, role: str, port: int, path: str) -> str:
    """What a role that listens on this port answers to a path that asks for its proof."""
    nonce = parse_qs(urlsplit(path).query)["nonce"][0]
    proof = proof_of(Tokens(spec.stack.state).operator, role, address_of("127.0.0.1", port), nonce)
    return ListenerProof(role=role, proof=proof).model_dump_json()


class Endpoint:
    """One HTTP server: `answer(path)` gives status, content type and body. `silent` makes it hang up; `prove` answers
    who asks whether it is a role.
    """

    def __init__(self, answer: Callable[[str], tuple[int, str, str]], port: int = 0) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if outer.silent:
                    self.close_connection = True
                    return
                proven = outer.prove(self.path) if self.path.startswith("/proof") else ""
                status, kind, text = (
                    (200, "application/json", proven) if proven else answer(self.path.partition("?")[0])
                )
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.silent = False
        self.prove: Callable[[str], str] = lambda path: ""
        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.silent = True  # to connections that are kept open, too
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Story:
    """What is true in the pretended world; a test changes it and the page must follow."""

    verdict: str = "hold"
    since: float = field(default_factory=time.time)
    reasons: list[str] = field(default_factory=lambda: ["60 of 500 matches seen in freemium"])
    phase: int = 3
    error_rate: dict[str, float] = field(default_factory=lambda: {"v1": 0.0021, "v2": 0.0019})
    extra_segment: str = ""
    incidents: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    last_beat: float | None = None

    def beat(self) -> float:
        """When the alert that always fires was last repeated; it stops at `last_beat`."""
        return min(time.time() // 5 * 5, self.last_beat or time.time())

    def __post_init__(self) -> None:
        self.enter(self.phase)

    def enter(self, phase: int) -> None:
        self.phase = phase
        step = {"kind": "phase", "text": "", "number": phase, "share": self.share("freemium")}
        self.timeline.append(step | {"at": time.time(), "who": "amélie", "why": "the plan's next step"})

    def share(self, segment: str) -> float:
        shares = (0.0, 0.10, 0.25, 0.50, 0.75, 1.0)
        return 0.0 if segment == "enterprise" and self.phase < 4 else shares[self.phase]

    def break_candidate(self) -> None:
        """V2's errors rise, the judge sees it, an alert is delivered."""
        now = time.time()
        self.error_rate["v2"] = 0.12
        self.verdict, self.since = "roll_back", now
        self.reasons = ["errors: V2 12 % against V1 0.21 % in freemium, evidence 14.2 of 8.3",
                        "errors: V2 11.4 % against V1 0.1 % in api_partners, evidence 9.7 of 8.3"]  # fmt: skip
        for number, segment in enumerate(("freemium", "api_partners")):
            self.incidents.append(self._incident(number, segment, now))

    def recover(self) -> None:
        now = time.time()
        self.error_rate["v2"] = 0.0019
        self.verdict, self.since, self.reasons = "hold", now, ["recovering: 22 of 60 s without harm"]
        for incident in self.incidents:
            incident |= {"status": "resolved", "resolved": rfc3339(now)}

    def _incident(self, number: int, segment: str, now: float) -> dict[str, Any]:
        return {
            "id": str(number), "alert": "CandidateWorse", "severity": "critical", "status": "open",
            "labels": {"signal": "errors", "user_segment": segment, "version": "v2"},
            "starts": rfc3339(now), "received": rfc3339(now), "resolved": None,
            "summary": f"V2 answers more errors than V1 to {segment}",
            "description": f"V2 12 % against V1 0.21 % in {segment}: evidence 14.2, alarm from 8.3",
        }  # fmt: skip


def log_lines() -> list[dict[str, Any]]:
    """The last lines of the pretended logs, the latest first."""
    now = time.time()
    call = {"source": "supersmartmatch", "format": "api_call", "level": "INFO", "service": "matcher", "status": 200,
            "version": "v2", "version_from": "service", "method": "POST", "endpoint": "/api/match", "offset": 1,
            "user_id": "u_5b1f9c0e", "user_segment": "freemium", "response_time": 0.0431}  # fmt: skip
    match = {"source": "supersmartmatch", "format": "match_result", "level": "INFO", "version": "v1", "accuracy": 0.91,
             "candidate_id": "c_77aa01", "job_id": "j_1230aa", "algorithm": "smart"}  # fmt: skip
    failed = call | {"status": 503, "level": "ERROR", "response_time": 1.204, "message": "upstream timed out"}
    trace = {"source": "supersmartmatch", "format": "python", "level": "ERROR", "version": "v2",
             "message": "unhandled\nTraceback (most recent call last):\n  File \"app.py\", line 7, in match\n"
             "    raise ValueError('no candidate')\nValueError: no candidate"}  # fmt: skip
    refused = call | {"status": 429, "level": "WARNING", "source": "nginx", "format": "nginx_json"}
    hostile = {"source": "nginx", "format": "text", "message": f"\x1b[2J\x00{HOSTILE}\u202egnp.exe\u2028 \ud800"}
    told = [call, match, failed, trace, refused, hostile, call, match] * 4
    return [line | {"timestamp": rfc3339(now - 0.8 * age)} for age, line in enumerate(told)]


def log_counts(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Of these lines, as the logs role counts them."""
    now = time.time()
    values = {name: [line[name] for line in lines if name in line] for name in FACETS}
    facets = {
        name: [{"value": str(value), "lines": found.count(value), "bad": 0} for value in dict.fromkeys(found)]
        for name, found in values.items()
    }
    buckets = [{"at": now // 60 * 60 - 60 * age, "lines": 1 + len(lines) // 2, "bad": age} for age in (0, 1)]
    return {"start": now - 3600, "end": now, "step": 60, "total": len(lines), "buckets": buckets, "facets": facets}


class Counters:
    """Counters of both versions that follow the story's rates with the clock."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.requests: dict[tuple[str, str, str], float] = {}
        self.before = time.time()

    def advance(self) -> None:
        now = time.time()
        passed, self.before = now - self.before, now
        for segment, rate in self.segments().items():
            wave = 1 + 0.15 * ((now / 40) % 2 - 1) ** 2
            for version, share in (("v1", 1 - self.story.share(segment)), ("v2", self.story.share(segment))):
                events = rate * wave * share * passed
                bad = events * self.story.error_rate[version]
                for status, more in (("200", events - bad), ("500", bad)):
                    key = (version, segment, status)
                    self.requests[key] = self.requests.get(key, 0.0) + more

    def segments(self) -> dict[str, float]:
        return SEGMENTS | ({self.story.extra_segment: 5.0} if self.story.extra_segment else {})

    def text(self, version: str) -> str:
        self.advance()
        lines = []
        for (whose, segment, status), count in self.requests.items():
            if whose == version:
                labels = f'version="{version}",user_segment={json.dumps(segment)}'
                lines.append(f'http_requests_total{{{labels},status="{status}"}} {count:.3f}')
                if status == "200":
                    lines += self._histogram(labels, version, count)
                    lines += self._business(labels, version, count)
        return "\n".join(lines) + "\n"

    def _histogram(self, labels: str, version: str, count: float) -> Iterator[str]:
        middle = 0.031 if version == "v1" else 0.026
        for bound in BOUNDS:
            below = 1 / (1 + (middle / bound) ** 5)
            yield f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {count * below:.3f}'
        yield f'http_request_duration_seconds_bucket{{{labels},le="+Inf"}} {count:.3f}'
        yield f"http_request_duration_seconds_count{{{labels}}} {count:.3f}"

    def _business(self, labels: str, version: str, count: float) -> Iterator[str]:
        good = 0.82 if version == "v1" else 0.955
        yield f'supersmartmatch_matches_total{{{labels},success="True"}} {count * good:.3f}'
        yield f'supersmartmatch_matches_total{{{labels},success="False"}} {count * (1 - good):.3f}'


class Roles:
    """The judge, the incident journal and the logs, as far as the console asks them."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def judge(self, path: str) -> tuple[int, str, str]:
        if path == "/metrics":
            return 200, "text/plain", self._judge_metrics()
        body = {
            "verdict": self.story.verdict, "since": rfc3339(self.story.since), "tick": rfc3339(time.time()),
            "phase": {"number": self.story.phase, "share": 0.5, "started": rfc3339(self.started), "hold_seconds": 900},
            "reasons": self.story.reasons, "signals": self.signals(),
            "gates": [
                {"gate": "errors <0.5%", "state": "bad" if self.broken else "ok", "value": 0.0019,
                 "text": "12 % on V2" if self.broken else "0.19 % on V2"},
                {"gate": "latency.p95 <60ms", "state": "ok", "value": 0.044, "text": "44 ms on V2"},
                {"gate": "accuracy.gain >12pt", "state": "no_data", "value": 0.134,
                 "text": "accuracy.gain >12pt: +13.4 pt: not yet decided, about 9 min more at this traffic."},
                {"gate": "revenue.gain >10%", "state": "no_data", "cause": "too few events", "value": None, "text": ""},
            ],
            "rollback": [
                {"when": "errors > 5%", "state": "bad" if self.broken else "ok",
                 "text": "12 % for 14 s of 2 min" if self.broken else "0.19 %"},
                {"when": "latency.p95 > 40ms", "state": "ok", "text": "44 ms for 1 min 10 s of 5 min"},
                {"when": "accuracy < 85%", "state": "ok", "text": "95.5 %"},
                {"when": "availability < 99%", "state": "ok", "text": "100 %"},
            ],
        }  # fmt: skip
        return 200, "application/json", json.dumps(body)

    @property
    def broken(self) -> bool:
        return self.story.error_rate["v2"] > 0.05

    @property
    def started(self) -> float:
        return max((e["at"] for e in self.story.timeline if e["kind"] == "phase"), default=time.time() - 240)

    def signals(self) -> list[dict[str, Any]]:
        rows = []
        segments = [*SEGMENTS, *([self.story.extra_segment] if self.story.extra_segment else [])]
        for name, unit, v1, v2, half in (
            ("errors", "ratio", self.story.error_rate["v1"], self.story.error_rate["v2"], 0.0024),
            ("latency", "seconds", 0.0486, 0.0441, 0.0031),
            ("accuracy", "ratio", 0.8214, 0.9552, 0.018),
            ("fallback", "ratio", 0.0, 0.0003, 0.0006),
            ("satisfaction", "stars", 4.38, 4.57, 0.13),
            ("revenue", "EUR per match", 81.4, 91.2, 4.4),
        ):
            for offset, segment in enumerate([*segments, "all"]):
                rows.append(self._signal(name, unit, segment, v1, v2, half * (1 + 0.3 * offset), offset))
        return rows

    def _signal(
        self, name: str, unit: str, segment: str, v1: float, v2: float, half: float, offset: int
    ) -> dict[str, Any]:
        applies = not (segment == "enterprise" and self.story.phase < 4)
        alarm = name == "errors" and self.broken and applies and segment != "all"
        state = "bad" if alarm else "ok" if applies else "not_applicable"
        if name == "satisfaction" and segment == "api_partners":
            state = "no_data"
        known = state in ("ok", "bad")
        evidence = (14.2 - 1.5 * offset if alarm else 0.4 + 0.5 * offset) if known else None
        return {
            "signal": name, "segment": segment, "state": state, "unit": unit, "baseline": v1,
            "candidate": v2 if known else None, "effect": v2 - v1 if known else None,
            "effect_low": v2 - v1 - half if known else None, "effect_high": v2 - v1 + half if known else None,
            "evidence": evidence, "threshold": 8.3, "alarm": alarm,
            "alarm_since": rfc3339(self.story.since) if alarm else None,
            "samples_baseline": 5310, "samples_candidate": 5288 if known else 0, "detectable_ratio": 2.6,
            "text": f"{name} in {segment}: compared over 5 310 and 5 288 events within endpoints",
        }  # fmt: skip

    def _judge_metrics(self) -> str:
        lines = []
        for row in self.signals():
            here = f'signal="{row["signal"]}",user_segment={json.dumps(row["segment"])}'
            for version, side in (("v1", "baseline"), ("v2", "candidate")):
                if row[side] is not None:
                    lines.append(f'bascule_signal_value{{{here},version="{version}"}} {row[side]}')
            if row["evidence"] is not None:
                lines.append(f"bascule_signal_log_evidence{{{here}}} {row['evidence']}")
        return "\n".join(lines) + "\n"

    def incidents(self, path: str) -> tuple[int, str, str]:
        answers: dict[str, Any] = {
            "/api/incidents": [*self.story.incidents, *self.standing()],
            "/api/owed": [],
            "/api/notices": [],
            "/api/timeline": [entry | {"at": rfc3339(entry["at"])} for entry in self.story.timeline],
            "/api/phase": {"number": self.story.phase, "share": self.story.share("freemium"),
                           "started": rfc3339(self.started), "who": "amélie", "why": "gates held for 48 h"},
        }  # fmt: skip
        if path == "/metrics":
            return 200, "text/plain", self._plan_metrics()
        return 200, "application/json", json.dumps(answers[path])

    def standing(self) -> list[dict[str, Any]]:
        """What holds the promotion and calls nobody, and a heartbeat that strayed into the journal."""
        plain = {"status": "open", "starts": rfc3339(self.story.since), "received": rfc3339(self.story.since)}
        return [
            plain | {"id": "90", "alert": "TargetUnmet", "severity": "gate", "labels": {"target": "revenue gain"},
                     "summary": "A target is not met"},
            plain | {"id": "91", "alert": "DeadMansSwitch", "severity": "none", "summary": "Alerting works"},
        ]  # fmt: skip

    def alertmanager(self, path: str) -> tuple[int, str, str]:
        beat = {"labels": {"alertname": "DeadMansSwitch", "severity": "none"}, "updatedAt": rfc3339(self.story.beat())}
        if path == "/api/v2/alerts":
            return 200, "application/json", json.dumps([beat])
        return 200, "text/plain", "alertmanager_alerts 1\n"

    def _plan_metrics(self) -> str:
        shares = {name: self.story.share(name) for name in SEGMENTS} | {"all": self.story.share("freemium")}
        lines = [f'bascule_planned_share_ratio{{user_segment="{name}"}} {share}' for name, share in shares.items()]
        return "\n".join([*lines, f"bascule_phase {self.story.phase}"]) + "\n"

    def logs(self, path: str) -> tuple[int, str, str]:
        if path == "/metrics":
            return 200, "text/plain", "bascule_log_lines_total 1\n"
        if path == "/api/counts":
            return 200, "application/json", json.dumps(log_counts(self.story.lines or log_lines()))
        if path == "/api/search":
            return 200, "application/json", json.dumps(self.story.lines or log_lines())
        return (
            200,
            "application/json",
            json.dumps(
                {
                    "sources": [
                        {
                            "source": "supersmartmatch",
                            "files": [],
                            "formats": {"api_call": 120_410, "match_result": 80_112},
                            "unparsed": 3,
                            "lag_bytes": 0,
                            "lag_seconds": 0.0,
                        },
                        {
                            "source": "nginx",
                            "files": [],
                            "formats": {},
                            "unparsed": 0,
                            "lag_bytes": 0,
                            "lag_seconds": 0.0,
                        },
                    ]
                }
            ),
        )


@dataclass
class Pretended:
    """The standing house: its story to change, its endpoints to silence or close, and where its page is."""

    spec: Spec
    story: Story
    endpoints: dict[str, Endpoint]
    url: str
    stop_console: Callable[[], None]
    stop_prometheus: Callable[[], None]

    def kill(self, name: str) -> None:
        self.endpoints.pop(name).close()


NO_RULES: Mapping[str, str] = {}
Journal = Callable[[Spec, Story], AbstractContextManager[None]]


@contextmanager
def pretended_journal(_: Spec, __: Story) -> Iterator[None]:
    """The one among the pretended roles."""
    yield


@contextmanager
def real_journal(spec: Spec, story: Story) -> Iterator[None]:
    """The incidents role's own API over its own files; forward it goes when the story's verdict is promote."""
    Tokens(spec.stack.state).ensure()
    store = Store(spec.stack.state / "incidents.sqlite", time.time() - 900)
    outbox = Outbox(spec.stack.state / "deliveries.sqlite")
    app = create(spec, store, outbox, witness=StoryWitness(story))
    stop = threading.Event()
    serving = threading.Thread(target=serve, args=(stop, app, spec, "incidents"))
    serving.start()
    try:
        wait_until(answers(spec.stack.url("incidents") + "/health"), 10)
        yield
    finally:
        stop.set()
        serving.join()
        store.close()
        outbox.close()


@dataclass
class StoryWitness:
    """What a move rests on, by the story."""

    story: Story

    def against_promotion(self, present: PhaseStep) -> str:
        verdict = self.story.verdict.replace("_", " ")
        return "" if verdict == "promote" else f"the verdict is {verdict}"

    def against_start(self) -> str:
        return ""

    def comparison(self, present: PhaseStep) -> str:
        return Roles(self.story).judge("/api/verdict")[2]


@contextmanager
def standing(
    folder: Path, journal: Journal = pretended_journal, rules: Mapping[str, str] = NO_RULES
) -> Iterator[Pretended]:
    """Prometheus, the pretended parts and the real console, all on free ports. `rules`: files by name."""
    story = Story()
    counters, roles = Counters(story), Roles(story)
    up = "redis_up 1\nnginx_up 1\n"
    telling: dict[str, Callable[[str], tuple[int, str, str]]] = {
        "supersmartmatch-v1": lambda _: (200, "text/plain", counters.text("v1")),
        "supersmartmatch-v2": lambda _: (200, "text/plain", counters.text("v2")),
        "nexten-matcher": lambda _: (200, "text/plain", up),
        "nginx": lambda _: (200, "text/plain", up),
        "redis": lambda _: (200, "text/plain", up),
        "hosts": lambda _: (200, "text/plain", up),
        "probe-front-door": lambda _: (200, "text/plain", "probe_success 1\n"),
        "judge": roles.judge,
        "incidents": roles.incidents,
        "logs": roles.logs,
        "alertmanager": roles.alertmanager,
    }
    with ExitStack() as rooms:
        endpoints = {name: Endpoint(answer) for name, answer in telling.items()}
        rooms.callback(lambda: [each.close() for each in endpoints.values()])
        spec = _spec(endpoints, folder / "state")
        for role in ("judge", "incidents", "logs"):
            endpoints[role].prove = partial(proof_for, spec, role, endpoints[role].port)
        if journal is not pretended_journal:
            spec = _with_ports(spec, incidents=ports.free())
        rooms.enter_context(journal(spec, story))
        supervisor = rooms.enter_context(Supervisor())
        supervisor.start(_prometheus(spec, endpoints, folder, rules))
        stop = threading.Event()
        serving = threading.Thread(target=console.run, args=(spec, stop))
        serving.start()

        def stop_console() -> None:
            stop.set()
            serving.join()

        rooms.callback(stop_console)
        wait_until(answers(spec.stack.url("console") + "/health"), 10)
        yield Pretended(
            spec, story, endpoints, spec.stack.url("console"), stop_console, lambda: supervisor.stop("prometheus")
        )


def _spec(endpoints: dict[str, Endpoint], state: Path) -> Spec:
    spec = load("supersmartmatch")
    taken = {name: endpoints[name].port for name in ("judge", "incidents", "logs", "alertmanager")}
    probes = {name: probe for name, probe in spec.probes.items() if name == "front-door"}
    stack = spec.stack.model_copy(update={"state": state})
    own = spec.model_copy(update={"stack": stack, "probes": probes})
    return _with_ports(own, **taken, prometheus=ports.free(), console=ports.free())


def _with_ports(spec: Spec, **chosen: int) -> Spec:
    stack = spec.stack.model_copy(update={"ports": spec.stack.ports.model_copy(update=chosen)})
    return spec.model_copy(update={"stack": stack})


def _prometheus(spec: Spec, endpoints: dict[str, Endpoint], folder: Path, rules: Mapping[str, str]) -> Program:
    for name, text in rules.items():
        (folder / name).write_text(text)
    config = ["global: {scrape_interval: 1s, scrape_timeout: 500ms, evaluation_interval: 1s}",
              f"rule_files: {json.dumps(list(rules))}", "scrape_configs:"]  # fmt: skip
    for name, endpoint in endpoints.items():
        job = f"bascule-{name}" if name in ("judge", "incidents", "logs") else name
        config.append(f'  - {{job_name: {job}, static_configs: [{{targets: ["127.0.0.1:{endpoint.port}"]}}]}}')
    (folder / "prometheus.yml").write_text("\n".join(config) + "\n")
    binary = programs.find("prometheus")
    client = Prometheus(spec.stack.url("prometheus"), timeout=1.0)
    argv = [str(binary), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{spec.stack.ports.prometheus}", "--log.level=warn"]  # fmt: skip
    return Program(
        "prometheus", argv, programs.environment(binary), folder, folder / "prometheus.log", client.is_ready, 20
    )


def fire(house: Pretended, alert: str, **labels: str) -> int:
    """An alert as Alertmanager delivers it; its number in the journal."""
    tokens = Tokens(house.spec.stack.state)
    told = {
        "status": "firing",
        "labels": {"alertname": alert, "severity": "critical", **labels},
        "annotations": {"summary": f"{alert} {HOSTILE}", "description": f"V2 fails 12 % of requests {HOSTILE}"},
        "startsAt": rfc3339(time.time() - 5),
        "fingerprint": f"{alert}-{time.time_ns()}",
    }
    url, headers = house.spec.stack.url("incidents"), {"Authorization": f"Bearer {tokens.webhook}"}
    httpx.post(f"{url}/api/webhook", json={"version": "4", "alerts": [told]}, headers=headers).raise_for_status()
    client = IncidentsClient(house.spec)
    number = client.incidents()[0].id
    client.close()
    return number


def rules() -> dict[str, str]:
    """What is recorded and alerted for the built-in spec, as it is generated."""
    files = generate(load("supersmartmatch"))
    return {Path(name).name: text for name, text in files.items() if name.startswith("prometheus/rules/")}


def tell_a_migration(story: Story, pace: float) -> None:
    """Phases 1 to 3, a fault, a roll back: `pace` seconds each."""
    story.timeline.clear()
    for number in (0, 1, 2, 3):
        story.enter(number)
        time.sleep(pace)
    story.timeline.append({"at": time.time(), "kind": "fault", "text": "V2 error rate set to 12 %"})
    story.break_candidate()


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as scratch, standing(Path(scratch), rules=rules()) as house:
        address = Tokens(house.spec.stack.state).address(house.url)
        print(address, house.spec.stack.url("prometheus"), flush=True)
        tell_a_migration(house.story, float(sys.argv[1]) if len(sys.argv) > 1 else 20)
        threading.Event().wait()
