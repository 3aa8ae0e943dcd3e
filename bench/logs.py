"""Log pipeline beside mtail, rsyslog with mmnormalize, and syslog-ng: the same file, one core each, in one run.

Every contender reads the same lines (60 % API_CALL, 30 % MATCH_RESULT, the rest other or malformed) and its output
is checked. Ours says its own time from the first byte read to the last one committed, so that neither side's
start-up counts; the peers' is the time until their output is complete. Five rounds over five million lines take about
twelve minutes; no contender is waited for longer than five minutes a round.

    BENCH_LOG_LINES=1000000 BENCH_LOG_ROUNDS=3 make bench NAME=logs      # smaller
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bascule.errors import ProgramMissing
from bascule.processes import programs
from bench.harness import Bar, Result

LINES = int(os.environ.get("BENCH_LOG_LINES", 5_000_000))
ROUNDS = int(os.environ.get("BENCH_LOG_ROUNDS", 5))
BEATS_EVENTS = min(LINES, 500_000)
CORE, OTHER_CORE = 0, max(os.sched_getaffinity(0))
FIXTURES = Path(__file__).parent / "fixtures" / "logs"
TIMEOUT = 300.0
QUERIES = {  # seconds of the research table, over 5 million rows
    "substring": (
        "select count(*) as n from logs where contains(endpoint, 'score') or contains(message, 'score')",
        0.31,
    ),
    "distinct users by version": ("select version, count(distinct user_id) as n from logs group by version", 0.14),
    "p95 by endpoint and minute": (
        "select endpoint, date_trunc('minute', timestamp) as minute, quantile_cont(response_time, 0.95) as p95"
        " from logs where endpoint is not null group by all",
        0.66,
    ),
    "retention": (
        "with half as (select min(timestamp) + (max(timestamp) - min(timestamp)) / 2 as middle from logs),"
        " early as (select distinct version, user_id from logs, half where timestamp < middle and user_id is not null),"
        " late as (select distinct user_id from logs, half where timestamp >= middle and user_id is not null)"
        " select version, count(*) as users, count(*) filter (user_id in (select user_id from late)) as back"
        " from early group by version",
        0.17,
    ),
}  # fmt: skip

Argv = Sequence[str | Path]


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="bench-logs-") as name:
        folder = Path(name)
        expected = generate(folder / "app.log", LINES)
        raw: dict[str, Any] = {"lines": LINES, "rounds": ROUNDS, "expected": vars(expected)}
        speeds = _speeds(folder, expected, raw)
        bars = _bars(speeds) + _processor_bars(raw["lines a processor second"])
        bars += _two_processes(folder, expected, raw)
        bars += _store_bars(folder, raw)
        bars += _beats(folder, raw)
    return Result(bars, raw)


# ---------------------------------------------------------------- the lines


@dataclass(frozen=True)
class Expected:
    api_calls: int
    match_results: int
    others: int

    @property
    def parsed(self) -> int:
        return self.api_calls + self.match_results

    @property
    def lines(self) -> int:
        return self.parsed + self.others


def generate(path: Path, lines: int, seed: int = 7) -> Expected:
    """Write the file; a hundred lines a second, so thirteen hours at five million."""
    chance = random.Random(seed)
    endpoints = [f"/api/v{v}/{name}" for v in (1, 2) for name in ("match", "search", "score", "jobs", "health")]
    counts = [0, 0, 0]
    now = datetime(2026, 1, 31, tzinfo=UTC).timestamp()
    with path.open("w") as file:
        for _ in range(lines):
            now += chance.random() * 0.02
            stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
            kind, line = _line(chance, stamp, endpoints)
            counts[kind] += 1
            file.write(line)
    return Expected(*counts)


def _line(chance: random.Random, stamp: str, endpoints: list[str]) -> tuple[int, str]:
    draw, service = chance.random(), f"supersmartmatch-v{chance.randrange(1, 3)}"
    if draw < 0.6:
        status = chance.choice((200, 200, 200, 404, 500))
        return 0, (
            f"{stamp} INFO {service} API_CALL user_id=user_{chance.randrange(50_000)}"
            f" endpoint={chance.choice(endpoints)} response_time={chance.expovariate(30):.3f} status={status}\n"
        )
    if draw < 0.9:
        return 1, (
            f"{stamp} INFO {service} MATCH_RESULT candidate_id=cand_{chance.randrange(200_000)}"
            f" job_id=job_{chance.randrange(20_000)} accuracy={chance.random():.2f}"
            f" algorithm={chance.choice(('hybrid', 'semantic', 'skills'))}\n"
        )
    if draw < 0.98:
        return 2, f"{stamp} WARNING {service} cache miss for key {chance.randrange(1000)}\n"
    return 2, f"garbage {chance.randrange(100_000)}\n"


# ---------------------------------------------------------------- the contenders


@dataclass(frozen=True)
class Contender:
    """One tool doing one job: `time` gives wall and processor seconds, after it has checked the output."""

    name: str
    time: Callable[[Path, Expected], tuple[float, float]]


def _speeds(folder: Path, expected: Expected, raw: dict[str, Any]) -> dict[str, float]:
    """Median lines a second of every contender; the rounds are interleaved."""
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for contender in CONTENDERS:
            with _scratch(folder) as scratch:
                try:
                    seconds = contender.time(scratch, expected)
                    times.setdefault(contender.name, []).append(seconds)
                except ProgramMissing as error:
                    raw.setdefault("missing", {})[contender.name] = str(error)
    raw["seconds (wall, processor)"] = times
    raw["lines a processor second"] = {
        name: expected.lines / statistics.median(processor for _, processor in found) for name, found in times.items()
    }
    return {name: expected.lines / statistics.median(wall for wall, _ in found) for name, found in times.items()}


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    yield scratch


PAIRS = (
    ("ours, metrics only", "mtail, metrics only", 8.0),
    ("ours, pseudonyms and durable store", "rsyslog, parsed to an unsynced file", 4.0),
    ("ours, pseudonyms and durable store", "syslog-ng, parsed to an unsynced file", 3.5),
)


def _processor_bars(speeds: dict[str, float]) -> list[Bar]:
    """The same ratios by processor time, which other load on the machine disturbs less; for information."""
    return [
        Bar(f"{ours} / {peer}, by processor time", speeds[ours] / speeds[peer], "x", None, "at_least")
        for ours, peer, _ in PAIRS
        if peer in speeds
    ]


def _bars(speeds: dict[str, float]) -> list[Bar]:
    bars = [Bar(name, speed, "lines/s", None, "at_least") for name, speed in speeds.items()]
    for ours, peer, target in PAIRS:
        ratio = speeds[ours] / speeds[peer] if peer in speeds else None
        bars.append(Bar(f"{ours} / {peer}", ratio, "x", target, "at_least"))
    return bars


def _pinned(core: int) -> Callable[[], None]:
    return lambda: os.sched_setaffinity(0, {core})


def _start(argv: Argv, core: int, out: Path, program: Path | None = None) -> subprocess.Popen[bytes]:
    environment = programs.environment(program) if program else dict(os.environ)
    with out.open("wb") as file:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=_pinned(core),
        )


def _wait(process: subprocess.Popen[bytes], log: Path) -> float:
    """Wait for the end, `TIMEOUT` at most; processor seconds."""
    late = threading.Timer(TIMEOUT, process.kill)
    late.daemon = True
    late.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        late.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, -signal.SIGTERM):
        raise RuntimeError(
            f"{process.args!r} ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}"
        )
    return usage.ru_utime + usage.ru_stime


def _mtail(folder: Path, expected: Expected) -> tuple[float, float]:
    program, out = programs.find("mtail"), folder / "mtail.out"
    argv: Argv = [program, "--one_shot", "--one_shot_format=prometheus", f"--progs={FIXTURES / 'api.mtail'}",
            f"--logs={folder.parent / 'app.log'}", "--log_dir", folder]  # fmt: skip
    started = time.monotonic()
    processor = _wait(_start(argv, CORE, out, program), out)
    wall = time.monotonic() - started
    found = dict(re.findall(r'^log_lines\{kind="(\w+)".*\} (\S+)', out.read_text(), re.MULTILINE))
    _check("mtail", {k: int(float(v)) for k, v in found.items()}, _kinds(expected))
    return wall, processor


def _kinds(expected: Expected) -> dict[str, int]:
    return {"api_call": expected.api_calls, "match_result": expected.match_results, "other": expected.others}


def _check(who: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise RuntimeError(f"{who} gave {found}, not {wanted}")


def _rsyslog(folder: Path, expected: Expected) -> tuple[float, float]:
    program = programs.find("rsyslogd")
    private = programs.folder_of(program)
    modules = next((private or Path("/")).glob("usr/lib/*/rsyslog"))
    shutil.copy(FIXTURES / "rules.rulebase", folder)
    config = _configured(folder, "rsyslog.conf", modules=str(modules))
    argv: Argv = [program, "-n", "-f", config, "-i", folder / "pid", "-M", modules]
    return _daemon("rsyslog", program, argv, folder, expected.lines, expected)


def _syslog_ng(folder: Path, expected: Expected) -> tuple[float, float]:
    program = programs.find("syslog-ng")
    private = programs.folder_of(program)
    modules = next((private or Path("/")).glob("usr/lib/syslog-ng/*/"))
    config = _configured(folder, "syslog-ng.conf")
    argv: Argv = [program, "-F", "-f", config, "-R", folder / "persist", "-p", folder / "pid", "-c", folder / "control",
            "--module-path", modules, "--no-caps"]  # fmt: skip
    return _daemon("syslog-ng", program, argv, folder, expected.lines, expected)


def _configured(folder: Path, name: str, **values: str) -> Path:
    text = (
        (FIXTURES / name).read_text().replace("{folder}", str(folder)).replace("{log}", str(folder.parent / "app.log"))
    )
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    path = folder / name
    path.write_text(text)
    return path


def _daemon(who: str, program: Path, argv: Argv, folder: Path, lines: int, expected: Expected) -> tuple[float, float]:
    """A daemon's time until all but the last buffer's lines are in its file; then it is stopped, the file checked."""
    output, log = folder / "out.json", folder / "daemon.log"
    started = time.monotonic()
    process = _start(argv, CORE, log, program)
    count = Counter(output)
    while count.lines() < lines * 0.995:
        if process.poll() is not None or time.monotonic() - started > TIMEOUT:
            process.kill()
            raise ProgramMissing(
                f"{who} does not run: {log.read_text(errors='replace')[-500:]}", "python3 tools/fetch_programs.py bench"
            )
        time.sleep(0.02)
    wall = time.monotonic() - started
    while count.lines() < lines and time.monotonic() - started < wall + 5:
        time.sleep(0.1)  # the last buffer is written at the next poll
    process.terminate()
    processor = _wait(process, log)
    parsed = sum(1 for line in output.open() if '"user_id":' in line or '"candidate_id":' in line)
    _check(who, (count.lines(), parsed), (lines, expected.parsed))
    return wall, processor


@dataclass
class Counter:
    """Counts the lines of a growing file."""

    path: Path
    place: int = 0
    number: int = 0

    def lines(self) -> int:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self.place)
                while data := file.read(1 << 20):
                    self.number += data.count(b"\n")
                    self.place += len(data)
        return self.number


def _ours(mode: str) -> Callable[[Path, Expected], tuple[float, float]]:
    def measure(folder: Path, expected: Expected) -> tuple[float, float]:
        (report,) = _children([(mode, folder / "store", folder.parent / "app.log", CORE)])
        _check("ours", report["kinds"], _kinds(expected))
        return report["ended"] - report["started"], report["processor"]

    return measure


def _children(tasks: list[tuple[str, Path, Path, int]]) -> list[dict[str, Any]]:
    """Run children of this module at the same time; what each reports."""
    started = []
    for number, (mode, root, log, core) in enumerate(tasks):
        root.mkdir(parents=True, exist_ok=True)
        out = root.parent / f"child-{number}.out"
        argv: Argv = [sys.executable, "-m", "bench.logs", mode, root, log]
        started.append((_start(argv, core, out), out))
    for process, out in started:
        _wait(process, out)
    return [json.loads(out.read_text().splitlines()[-1]) for _, out in started]


CONTENDERS = (
    Contender("ours, metrics only", _ours("metrics")),
    Contender("mtail, metrics only", _mtail),
    Contender("ours, pseudonyms and durable store", _ours("store")),
    Contender("ours, durable store without pseudonyms", _ours("plain")),
    Contender("rsyslog, parsed to an unsynced file", _rsyslog),
    Contender("syslog-ng, parsed to an unsynced file", _syslog_ng),
)


# ---------------------------------------------------------------- two processes, bytes, queries


def _two_processes(folder: Path, expected: Expected, raw: dict[str, Any]) -> list[Bar]:
    """Each on half of the lines and a core of its own, against one on one half."""
    halves = _halves(folder / "app.log", folder)
    figures = []
    for _ in range(ROUNDS):
        with _scratch(folder) as scratch:
            (alone,) = _children([("store", scratch / "a" / "store", halves[0], CORE)])
        with _scratch(folder) as scratch:
            tasks = [
                ("store", scratch / n / "store", half, c)
                for n, half, c in zip("ab", halves, (CORE, OTHER_CORE), strict=True)
            ]
            both = _children(tasks)
        single = alone["rows"] / (alone["ended"] - alone["started"])
        double = sum(child["rows"] / (child["ended"] - child["started"]) for child in both)
        figures.append((double, double / single))
    raw["two processes (lines/s, ratio)"] = figures
    return [
        Bar("two processes on two cores", statistics.median(f[0] for f in figures), "lines/s", None, "at_least"),
        Bar("two processes / one", statistics.median(f[1] for f in figures), "x", 1.8, "at_least"),
    ]


def _halves(log: Path, folder: Path) -> list[Path]:
    size = log.stat().st_size // 2
    parts = [folder / "half-1.log", folder / "half-2.log"]
    with log.open("rb") as file:
        with parts[0].open("wb") as first:
            shutil.copyfileobj(_Limited(file, size), first, 1 << 20)
            first.write(file.readline())
        with parts[1].open("wb") as second:
            shutil.copyfileobj(file, second, 1 << 20)
    return parts


@dataclass
class _Limited:
    file: Any
    left: int

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data


def _store_bars(folder: Path, raw: dict[str, Any]) -> list[Bar]:
    """Bytes a row, and the research table's queries on what was stored."""
    from bascule.logs import LogReader

    with _scratch(folder) as scratch:
        (report,) = _children([("store", scratch / "store", folder / "app.log", CORE)])
        files = list((scratch / "store").rglob("*.parquet"))
        bars = [Bar("bytes a row", sum(f.stat().st_size for f in files) / report["rows"], "bytes", None)]
        bars.append(Bar("memory while storing", report["memory_mb"], "MB", 300))
        reader = LogReader(scratch / "store")
        for name, (sql, research) in QUERIES.items():
            seconds = statistics.median(_timed(partial(reader.query, sql)) for _ in range(5))
            # the research figures are for five million rows
            bars.append(Bar(f"query: {name}", seconds, "s", research * 1.5 if LINES >= 5_000_000 else None))
        raw["segments"] = len(files)
    return bars


def _timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


# ---------------------------------------------------------------- Beats


def _beats(folder: Path, raw: dict[str, Any]) -> list[Bar]:
    """One connection of pylogbeat, a process on the other core, into the durable store."""
    with _scratch(folder) as scratch:
        root, out = scratch / "store", scratch / "server.out"
        root.mkdir()
        server = _start([sys.executable, "-m", "bench.logs", "serve", root, root / "port"], CORE, out)
        try:
            _until((root / "port").exists, out)
            client_out = scratch / "client.out"
            argv: Argv = [sys.executable, "-m", "bench.logs", "send", root / "port", folder / "app.log"]
            _wait(_start(argv, OTHER_CORE, client_out), client_out)
            report = json.loads(client_out.read_text().splitlines()[-1])
        finally:
            server.terminate()
            _wait(server, out)
        from bascule.logs import LogReader

        (row,) = LogReader(root).query('select count(*) as n, count(distinct "offset") as d from logs')
        _check("beats", (row["n"], row["d"]), (report["events"], report["events"]))
    raw["beats"] = report
    return [
        Bar(
            "Beats, one connection, into the durable store",
            report["events"] / report["seconds"],
            "events/s",
            60_000,
            "at_least",
        )
    ]


def _until(condition: Callable[[], bool], out: Path) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(out.read_text(errors="replace")[-2000:])
        time.sleep(0.05)


# ---------------------------------------------------------------- children


def peak_megabytes() -> float:
    """The most memory this process has had (`ru_maxrss` would count the parent's, too)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def _child(mode: str, root: Path, log: Path) -> None:
    """Ours: read the file to its end; says when it began and ended, and what it counted."""
    from bascule.logs import COUNTED, Counted, FileFeed, FileSource, IdPseudonyms, Pipeline, intake, open_store
    from bascule.spec import load
    from bascule.spec.model import LogSource

    source = LogSource(name="app", files=str(log), formats=["api_call", "match_result"])
    taken = intake(load("supersmartmatch"), source, "app", *([COUNTED.__contains__] if mode == "metrics" else []))
    if mode == "store":
        taken.change = IdPseudonyms(b"a key of 16 bytes", ("user_id", "candidate_id", "job_id")).replace
    journal = Counted() if mode == "metrics" else open_store(root)
    pipeline = Pipeline(journal, [FileFeed(FileSource("app", str(log)), taken)])
    started, processor = time.time(), time.process_time()
    rows = 0
    while done := pipeline.poll():
        rows += done
    ended, processor = time.time(), time.process_time() - processor
    counters = journal.tally.counters
    kinds = {name: counters["bascule_log_lines_total", ("app", name)] for name in ("api_call", "match_result")}
    kinds["other"] = counters["bascule_log_unparsed_total", ("app",)]
    print(
        json.dumps(
            {
                "rows": rows,
                "started": started,
                "ended": ended,
                "processor": processor,
                "kinds": kinds,
                "memory_mb": peak_megabytes(),
            }
        )
    )


def _serve(root: Path, port: Path) -> None:
    from bascule.logs import BeatsReceiver, IdPseudonyms, intake, open_store
    from bascule.spec import load
    from bascule.spec.model import LogSource

    source = LogSource(name="beats", beats="127.0.0.1:0", formats=["api_call", "match_result"])
    taken = intake(load("supersmartmatch"), source, "beats")
    taken.change = IdPseudonyms(b"a key of 16 bytes", ("user_id", "candidate_id", "job_id")).replace
    store = open_store(root)
    receiver = BeatsReceiver("127.0.0.1:0", taken, lambda batch: store.commit(batch, []), None)
    stop, ready = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    thread = threading.Thread(target=receiver.run, args=(stop, ready))
    thread.start()
    ready.wait(20)
    temporary = port.with_suffix(".new")
    temporary.write_text(str(receiver.port))
    temporary.rename(port)
    thread.join()
    store.close()


def _send(port: Path, log: Path) -> None:
    """Filebeat's documents, encoded beforehand as Filebeat's own threads would."""
    from pylogbeat import PyLogBeatClient

    documents = []
    offset = 0
    with log.open() as file:
        for line in file:
            documents.append(_document(line.rstrip("\n"), offset))
            offset += len(line)
            if len(documents) == BEATS_EVENTS:
                break
    started = time.monotonic()
    with PyLogBeatClient("127.0.0.1", int(port.read_text()), timeout=60) as client:
        for first in range(0, len(documents), 10_000):
            client.send(documents[first : first + 10_000])
    print(json.dumps({"events": len(documents), "seconds": time.monotonic() - started}))


def _document(line: str, offset: int) -> str:
    return json.dumps(
        {
            "@timestamp": "2026-01-31T12:00:00.000Z",
            "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.11.0"},
            "message": line,
            "log": {"offset": offset, "file": {"path": "/var/log/app.log", "inode": "7", "device_id": "1"}},
            "agent": {"id": "0a1b2c3d", "type": "filebeat", "version": "8.11.0"},
            "host": {"name": "shop-1"},
        }
    )


if __name__ == "__main__":
    chosen, first, second = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if chosen == "serve":
        _serve(first, second)
    elif chosen == "send":
        _send(first, second)
    else:
        _child(chosen, first, second)
