"""Kill the log pipeline 400 times: 200 while it reads files that are written to, rotated and truncated, 200 while it
receives Beats and sends on to a search engine. Segments are merged all the while.

Lines are numbered; at the end the store and the engine must hold each number once and the counters must agree. It
takes about a quarter of an hour.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import httpx

from bascule.logs import LogReader, open_store
from bench.harness import Bar, Result

KILLS = 200
READY = "ready"  # what a child prints as soon as it works
LINE = (
    "2026-01-31T12:00:{:02d}.{:03d}Z INFO supersmartmatch-v2 API_CALL user_id=u{} endpoint=/n/{}"
    " response_time=0.023 status=200\n"
)
# merges often, so that kills fall into merges too
CHILD = """
import sys, threading
from pathlib import Path
from bascule import logs
from bench.logs_kills import READY, feed
root, pattern = Path(sys.argv[1]), sys.argv[2]
opened = logs.open_store(root)
opened.small_rows, opened.checkpoint_segments = 5_000, 5
pipe = logs.Pipeline(opened, [feed(opened, pattern)])
pipe.feeds[0].files.settling_seconds = 0.2
pipe.problem = lambda *reason: print(reason, file=sys.stderr)
pipe.poll()
print(READY, flush=True)
while True:
    if pipe.poll() == 0:
        opened.keep_up(1e9)
"""


# receives Beats, stores, and sends on to a search engine, all at once
BEATS_CHILD = """
import sys, threading
from pathlib import Path
from bascule import logs
from bench.logs_kills import READY, receiver
from bascule.spec import load
from bascule.spec.log_patterns import log_index
from bascule.spec.model import SearchEngine
root, port, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
opened, lock, stop = logs.open_store(root), threading.Lock(), threading.Event()
opened.small_rows, opened.checkpoint_segments = 5_000, 5
def commit(batch):
    with lock:
        opened.commit(batch, [])
served = receiver(port, commit)
served.known.add(logs.identities(opened.folder, 200_000))
client = logs.SearchClient(SearchEngine(url=url), log_index(load("supersmartmatch")))
sender = logs.Sender.load(client, root)
sender.poll_seconds = 0.01
for work in (served.run, sender.run):
    threading.Thread(target=work, args=(stop,), daemon=True).start()
print(READY, flush=True)
while not stop.wait(0.05):
    with lock:
        opened.keep_up(1e9, delivered=sender.last)
"""


@dataclass(frozen=True)
class Outcome:
    kills: int
    written: int
    missing: int
    doubled: int
    counted: int
    documents: int = 0  # in the search engine


def feed(store, pattern: str):
    """The reading side, without pseudonyms so that rows tell which line they are."""
    from bascule.logs import FileFeed, FileSource, Intake, Parser, VersionFinder, built_in
    from bascule.spec import load

    source = FileSource("app", pattern, store.streams("app"), store.since)
    return FileFeed(source, Intake("app", Parser((built_in("api_call"),)), VersionFinder.of(load("supersmartmatch"))))


def receiver(port: str, commit):
    """A Beats receiver, without pseudonyms so that rows tell which line they are."""
    from bascule.logs import BeatsReceiver, Intake, Parser, VersionFinder, built_in
    from bascule.spec import load

    intake = Intake("app", Parser((built_in("api_call"),)), VersionFinder.of(load("supersmartmatch")))
    return BeatsReceiver(f"127.0.0.1:{port}", intake, commit, None)


@dataclass
class LogWriter:
    """Writes numbered lines and rotates its file, as logrotate would, in each of its ways."""

    path: Path
    chance: random.Random
    number: int = 0
    rotations: int = 0

    def write(self, lines: int) -> None:
        with self.path.open("a") as file:
            for number in range(self.number, self.number + lines):
                file.write(LINE.format(number // 1000 % 60, number % 1000, number % 977, number))
        self.number += lines

    def rotate(self) -> None:
        self.rotations += 1
        target = self.path.with_name(f"{self.path.name}.{self.rotations}")
        if self.chance.random() < 0.5:
            self.path.rename(target)
        else:
            shutil.copyfile(self.path, target)
            os.truncate(self.path, 0)
        older = self.path.with_name(f"{self.path.name}.{self.rotations - 1}")
        if older.exists() and self.chance.random() < 0.5:
            with gzip.open(f"{older}.gz.part", "wb") as packed:
                packed.write(older.read_bytes())
            os.rename(f"{older}.gz.part", f"{older}.gz")
            older.unlink()


def kill_and_recover(folder: Path, kills: int, seed: int) -> Outcome:
    """Write, rotate and kill; then let one reader finish, and compare."""
    chance = random.Random(seed)
    root, log = folder / "logs", folder / "app.log"
    writer = LogWriter(log, chance)
    writer.write(1)
    for _ in range(kills):
        child = _start(root, log)
        _wait_until_ready(child)
        end = time.monotonic() + chance.uniform(0.05, 1.3)
        while time.monotonic() < end:
            writer.write(chance.randrange(1, 2000))
            if chance.random() < 0.05:
                writer.rotate()
            time.sleep(chance.random() * 0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
        writer.write(chance.randrange(100))
        if chance.random() < 0.3:
            writer.rotate()
            writer.write(1)
    _finish(root, log, writer.number)
    return _compare(root, writer.number, kills)


def run() -> Result:
    """Stretches of twenty kills: of files with rotation, and of Beats with a search engine behind."""
    bars: list[Bar] = []
    raw: dict[str, object] = {}
    for what, kill in (("files", kill_and_recover), ("Beats and search engine", kill_beats)):
        outcomes = []
        for seed in range(KILLS // 20):
            with tempfile.TemporaryDirectory(prefix="bench-kills-") as name:
                outcomes.append(kill(Path(name), kills=20, seed=seed))
            print(f"  {what}: {20 * len(outcomes)} kills, {outcomes[-1].written:,} lines in the last 20", flush=True)
        bars += _bars(what, outcomes)
        if kill is kill_beats:
            beside = sum(abs(o.documents - o.written) for o in outcomes)
            bars.append(Bar("search engine: documents beside written", beside, "documents", 0))
        raw[what] = [asdict(outcome) for outcome in outcomes]
    return Result(bars, raw)


def _bars(what: str, outcomes: list[Outcome]) -> list[Bar]:
    return [
        Bar(f"{what}: kills", sum(o.kills for o in outcomes), "kills", KILLS, "at_least"),
        Bar(f"{what}: lines missing", sum(o.missing for o in outcomes), "lines", 0),
        Bar(f"{what}: lines doubled", sum(o.doubled for o in outcomes), "lines", 0),
        Bar(f"{what}: counted beside written", sum(abs(o.counted - o.written) for o in outcomes), "lines", 0),
        Bar(f"{what}: lines written", sum(o.written for o in outcomes), "lines", None),
    ]


def kill_beats(folder: Path, kills: int, seed: int) -> Outcome:
    """A client with offsets sends until it is answered; the receiver is killed, and sends on to a search engine."""
    from osmem_server import OsmemServer

    from bascule.processes import ports

    chance = random.Random(seed)
    root, port = folder / "logs", ports.free()
    with OsmemServer.start() as engine:
        client = BeatsClient(port)
        threading.Thread(target=client.run, daemon=True).start()
        for _ in range(kills):
            child = _started(BEATS_CHILD, str(root), str(port), engine.url)
            _wait_until_ready(child)
            time.sleep(chance.uniform(0.05, 1.5))
            child.send_signal(signal.SIGKILL)
            child.wait()
        client.stop.set()
        child = _started(BEATS_CHILD, str(root), str(port), engine.url)
        client.done.wait(60)
        sent = _wait_for_documents(engine.url, client.number)
        child.send_signal(signal.SIGKILL)
        child.wait()
    outcome = _compare(root, client.number, kills)
    return replace(outcome, documents=sent)


@dataclass
class BeatsClient:
    """Sends numbered events in windows, each until it is answered."""

    port: int
    number: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        from pylogbeat import PyLogBeatClient

        while not self.stop.is_set():
            window = [self._event(number) for number in range(self.number, self.number + 200)]
            while True:
                try:
                    with PyLogBeatClient("127.0.0.1", self.port, timeout=5) as client:
                        client.send(window)
                    break
                except Exception:  # noqa: BLE001 - the client raises what it likes; not answered is not answered
                    time.sleep(0.05)
            self.number += len(window)
            time.sleep(0.03)  # no faster than the search engine takes them
        self.done.set()

    def _event(self, number: int) -> dict[str, object]:
        message = LINE.format(number // 1000 % 60, number % 1000, number % 977, number).rstrip("\n")
        where = {"offset": number * 100, "file": {"path": "/var/log/app.log", "inode": "7"}}
        return {"message": message, "log": where, "agent": {"id": "a"}}


def _wait_for_documents(url: str, number: int) -> int:
    """The engine's documents, once they are `number` or have not grown for a while."""
    found, end = 0, time.monotonic() + 60
    while found < number and time.monotonic() < end:
        time.sleep(0.2)
        httpx.post(f"{url}/supersmartmatch-*/_refresh", timeout=60)
        before, found = found, int(httpx.get(f"{url}/supersmartmatch-*/_count", timeout=60).json()["count"])
        end = time.monotonic() + 60 if found > before else end
    return found


def _start(root: Path, log: Path) -> subprocess.Popen[bytes]:
    return _started(CHILD, str(root), str(log))


def _started(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)


def _wait_until_ready(child: subprocess.Popen[bytes]) -> None:
    """A busy machine takes seconds to start it; what is killed before it works proves nothing."""
    assert child.stdout is not None
    if child.stdout.readline().strip() != READY.encode():
        raise RuntimeError("the pipeline did not start")


def _finish(root: Path, log: Path, written: int) -> None:
    child = _start(root, log)
    end = time.monotonic() + 60
    while time.monotonic() < end and sum(_numbers(root).values()) < written:
        time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()


def _numbers(root: Path) -> Counter[int]:
    rows = LogReader(root).query("select split_part(endpoint, '/', 3)::int as n, count(*) as k from logs group by n")
    return Counter({row["n"]: row["k"] for row in rows if row["n"] is not None})


def _compare(root: Path, written: int, kills: int) -> Outcome:
    found = _numbers(root)
    store = open_store(root)
    counted = store.tally.counters.get(("bascule_log_lines_total", ("app", "api_call")), 0)
    store.close()
    missing = sum(1 for number in range(written) if number not in found)
    return Outcome(kills, written, missing, sum(k - 1 for k in found.values()), counted)
