"""A hundred rotations by logrotate, in each of its modes, of a file that is written to: `make real NAME=rotations`.

Held against what logrotate left: it loses lines itself when it copies and truncates.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bascule.logs import FileFeed, FileSource, LogReader, LogStore, Pipeline, intake, open_store
from bascule.processes import programs
from bascule.processes.ready import wait_until
from bascule.spec import load
from bascule.spec.model import LogSource

pytestmark = pytest.mark.real

ROTATIONS = 100
PAUSE_SECONDS = 0.1  # between two rotations
LINE = (
    "2026-01-31T12:00:00.000Z INFO supersmartmatch-v2 API_CALL user_id=u endpoint=/n/{} response_time=0.1 status=200\n"
)
NUMBER = re.compile(r"endpoint=/n/([0-9]+) ")
HEALTH = "2026-01-31T12:00:00.000Z INFO supersmartmatch-v2 started\n" * 20  # so that every file begins alike
MODES = {
    "create": "create 0644",
    "nocreate": "nocreate",
    "copytruncate": "copytruncate",
    "copytruncate, compressed": "copytruncate\ncompress",
    "create, compressed": "create 0644\ncompress",
    "create, compressed later": "create 0644\ncompress\ndelaycompress",
    "create, dated": "create 0644\ndateext\ndateformat -%Y%m%d-TURN",
    "copytruncate, compressed later": "copytruncate\ncompress\ndelaycompress",
    "create, dated and compressed": "create 0644\ncompress\ndateext\ndateformat -%Y%m%d-TURN",
    "copytruncate, dated": "copytruncate\ndateext\ndateformat -%Y%m%d-TURN",
}


class Writer(threading.Thread):
    """Writes numbered lines, a burst at a time, and opens the file again when it was renamed."""

    def __init__(self, path: Path, append: bool) -> None:
        super().__init__()
        self.path, self.append, self.stop, self.written = path, append, threading.Event(), 0

    def run(self) -> None:
        file = self._open()
        while not self.stop.wait(0.002):
            if self._was_moved(file):
                file.close()
                file = self._open()
            for _ in range(10):
                file.write(LINE.format(self.written).encode())
                self.written += 1
        file.close()

    def _was_moved(self, file) -> bool:  # type: ignore[no-untyped-def]
        try:
            return os.fstat(file.fileno()).st_ino != self.path.stat().st_ino
        except FileNotFoundError:  # logrotate has renamed it, and not yet made the next one
            return True

    def _open(self):  # type: ignore[no-untyped-def]
        file = self.path.open("ab" if self.append else "wb", buffering=0)
        file.write(HEALTH.encode())
        return file


@contextmanager
def reading(store: LogStore, path: Path) -> Iterator[None]:
    taken = intake(load("supersmartmatch"), LogSource(files=str(path), formats=["api_call"]), "app")
    pipeline = Pipeline(store, [FileFeed(FileSource("app", str(path)), taken)])
    stop = threading.Event()
    thread = threading.Thread(target=pipeline.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def left(folder: Path) -> Counter[int]:
    """The numbers in all files that logrotate left."""
    found: Counter[int] = Counter()
    for path in folder.glob("app.log*"):
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found.update(int(number) for number in NUMBER.findall(text.decode(errors="replace")))
    return found


def stored(store: LogStore) -> Counter[int]:
    rows = LogReader(store.root).query(
        "select endpoint, count(*) as n from logs where endpoint is not null group by all"
    )
    return Counter({int(row["endpoint"].rpartition("/")[2]): row["n"] for row in rows})


@pytest.mark.parametrize("append", [True, False], ids=["append", "no append"])
@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_rotations_lose_nothing_that_logrotate_keeps(mode: str, append: bool, tmp_path: Path) -> None:
    """And double nothing."""
    logs = tmp_path / "logs"
    logs.mkdir()
    path, program = logs / "app.log", programs.find("logrotate")
    config, state = tmp_path / "rotate.conf", tmp_path / "rotate.state"
    config.touch(0o644)
    store, writer = open_store(tmp_path / "store"), Writer(path, append)
    with reading(store, path):
        writer.start()
        assert wait_until(path.exists, 5)
        for turn in range(ROTATIONS):
            how = MODES[mode].replace("TURN", f"{turn:04}")  # each file's name is its own
            config.write_text(f"{path} {{\n  rotate 1000\n  missingok\n  {how}\n}}\n")
            subprocess.run(
                [str(program), "--force", "--state", str(state), str(config)],
                env=programs.environment(program), check=True, capture_output=True,
            )  # fmt: skip
            time.sleep(PAUSE_SECONDS)  # as much is written before the next
        writer.stop.set()
        writer.join()
        kept = left(logs)
        wait_until(lambda: not kept - stored(store), 60)
    found = stored(store)
    store.close()
    print(f"{mode}: written {writer.written}, kept by logrotate {len(kept)}, stored {len(found)}")
    assert not kept - found, "lost"
    assert max(found.values()) == 1, "doubled"
