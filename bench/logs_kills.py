"""Kill the log pipeline 200 times while it reads files that are written to, rotated and truncated.

The writer numbers its lines; at the end the store must hold each number once and the counters must agree.
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
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from bascule.logs.query import Reader
from bascule.logs.store import open_store
from bench.harness import Bar, Result

KILLS = 200
LINE = (
    "2026-01-31T12:00:{:02d}.{:03d}Z INFO supersmartmatch-v2 API_CALL user_id=u{} endpoint=/n/{}"
    " response_time=0.023 status=200\n"
)
# merges often, so that kills fall into merges too
CHILD = """
import sys, threading
from pathlib import Path
from bascule.logs import store, pipeline, files
from bench.logs_kills import feed
store.SMALL_ROWS, store.CHECKPOINT_SEGMENTS = 5_000, 5
pipeline.POLL_SECONDS = 0.01
files.SETTLING_SECONDS = 0.2
root, pattern = Path(sys.argv[1]), sys.argv[2]
opened = store.open_store(root)
pipe = pipeline.Pipeline(opened, [feed(opened, pattern)])
pipe.problem = lambda *reason: print(reason, file=sys.stderr)
while True:
    if pipe.poll() == 0:
        opened.keep_up(1e9)
"""


@dataclass(frozen=True)
class Outcome:
    kills: int
    written: int
    missing: int
    doubled: int
    counted: int


def feed(store, pattern: str):
    """The reading side, without pseudonyms so that rows tell which line they are."""
    from bascule.logs.files import FileSource
    from bascule.logs.formats import BUILT_IN
    from bascule.logs.intake import Intake
    from bascule.logs.parse import Parser
    from bascule.logs.pipeline import Feed
    from bascule.logs.versions import Versions
    from bascule.spec import load

    source = FileSource("app", pattern, store.streams("app"), store.since)
    return Feed(source, Intake("app", Parser((BUILT_IN["api_call"],)), Versions.of(load("supersmartmatch"), None)))


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
        end = time.monotonic() + chance.uniform(0.3, 1.6)
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
    """Ten stretches of twenty kills."""
    outcomes = []
    for seed in range(KILLS // 20):
        with tempfile.TemporaryDirectory(prefix="bench-kills-") as name:
            outcomes.append(kill_and_recover(Path(name), kills=20, seed=seed))
    bars = [
        Bar("kills", sum(o.kills for o in outcomes), "kills", KILLS, "at_least"),
        Bar("lines missing", sum(o.missing for o in outcomes), "lines", 0),
        Bar("lines doubled", sum(o.doubled for o in outcomes), "lines", 0),
        Bar("counted beside written", sum(abs(o.counted - o.written) for o in outcomes), "lines", 0),
        Bar("lines written", sum(o.written for o in outcomes), "lines", None),
    ]
    return Result(bars, [asdict(outcome) for outcome in outcomes])


def _start(root: Path, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(root), str(log)])


def _finish(root: Path, log: Path, written: int) -> None:
    child = _start(root, log)
    end = time.monotonic() + 60
    while time.monotonic() < end and sum(_numbers(root).values()) < written:
        time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()


def _numbers(root: Path) -> Counter[int]:
    rows = Reader(root).query("select split_part(endpoint, '/', 3)::int as n, count(*) as k from logs group by n")
    return Counter({row["n"]: row["k"] for row in rows if row["n"] is not None})


def _compare(root: Path, written: int, kills: int) -> Outcome:
    found = _numbers(root)
    store = open_store(root)
    counted = store.tally.counters.get(("bascule_log_lines_total", ("app", "api_call")), 0)
    store.close()
    missing = sum(1 for number in range(written) if number not in found)
    return Outcome(kills, written, missing, sum(k - 1 for k in found.values()), counted)
