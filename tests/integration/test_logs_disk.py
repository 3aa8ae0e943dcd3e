"""The logs role on a full disk that is mended under it: a small tmpfs, or a limit where none can be mounted."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from small_disk import small_disk

from bascule.logs import LogReader
from bascule.processes import ports

pytestmark = pytest.mark.integration
LINE = (
    "2026-01-31T12:00:00.000Z INFO shop API_CALL user_id={:032x} endpoint=/n/{} response_time=0.02 status=200"
    " trace_id={:064x}\n"
)
SPEC = """\
apiVersion: bascule/v1
kind: Migration
metadata: {{name: shop}}
versions: {{baseline: v1, candidate: v2}}
services:
  shop-v1: {{targets: ["127.0.0.1:8001"], version: v1}}
  shop-v2: {{targets: ["127.0.0.1:8002"], version: v2}}
signals: {{errors: {{kind: ratio, bad: 'r_total{{s="5"}}', total: r_total, better: lower}}}}
phases: [{{share: 100%, hold: 1d}}]
logs:
  sources: [{{name: app, files: "{log}", formats: [api_call]}}]
  retention: 36500d
stack: {{state: "{state}", ports: {{logs: {port}}}}}
"""
TMPFS_BYTES = 4 << 20


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.05)


@dataclass
class Role:
    """A logs role in a process of its own, and the lines that are written for it."""

    folder: Path
    disk: Path
    number: int = 0

    def __post_init__(self) -> None:
        self.log, port = self.folder / "app.log", ports.free()
        self.log.touch()
        self.url = f"http://127.0.0.1:{port}"
        spec, self.said = self.folder / "spec.yaml", self.folder / "said"
        spec.write_text(SPEC.format(log=self.log, state=self.disk, port=port))
        argv = [sys.executable, "-m", "bascule", "serve", str(spec), "--role", "logs"]
        with self.said.open("wb") as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out)
        wait_until(self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said.read_text()
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False

    def write(self, lines: int) -> None:
        chance = random.Random(self.number)
        with self.log.open("a") as file:
            for number in range(self.number, self.number + lines):
                file.write(LINE.format(chance.getrandbits(128), number, chance.getrandbits(256)))
        self.number += lines

    def metric(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(httpx.get(f"{self.url}/metrics").text)
        samples = (sample for family in families for sample in family.samples)
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def counted(self) -> float:
        return self.metric("bascule_log_lines_total", source="app")

    def write_until_it_is_refused(self) -> None:
        def refused() -> bool:
            self.write(2_000)
            return self.metric("bascule_log_problems_total", source="app", reason="store") > 0

        wait_until(refused, 60)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def numbers(self) -> Counter[int]:
        rows = LogReader(self.disk / "logs").query("select split_part(endpoint, '/', 3)::int as n from logs")
        return Counter(row["n"] for row in rows)


def test_a_full_disk_is_told_and_nothing_is_lost_once_there_is_space(tmp_path: Path):
    """An error that says what to do, a metric, a lag; the counters tell of what is stored, at last of all."""
    disk = tmp_path / "disk"
    with small_disk(disk, TMPFS_BYTES) as mounted:
        if mounted:
            (disk / "filler").write_bytes(bytes(TMPFS_BYTES - (600 << 10)))
        role = Role(tmp_path, disk)
        if not mounted:  # the limit makes every file that is longer fail, as a full disk would
            resource.prlimit(role.process.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            role.write(100)
            wait_until(lambda: role.counted() == 100)
            role.write_until_it_is_refused()
            assert role.counted() < role.number
            assert role.metric("bascule_log_lag_bytes", source="app") > 0
            if mounted:
                assert "No space left on device\n      free some space" in role.said.read_text()
                (disk / "filler").unlink()
            else:
                assert "cannot be written: File too large" in role.said.read_text()
                resource.prlimit(role.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            wait_until(lambda: role.counted() == role.number, 60)
            assert role.metric("bascule_log_lag_bytes", source="app") == 0
        finally:
            role.stop()
        assert role.process.returncode == 0, role.said.read_text()
        assert role.numbers() == Counter(range(role.number))


def test_a_role_that_finds_its_disk_full_says_so_and_ends(tmp_path: Path):
    """No traceback: what, where, and the fix; started again with space it takes everything up."""
    disk = tmp_path / "disk"
    with small_disk(disk, TMPFS_BYTES) as mounted:
        if not mounted:
            pytest.skip("only root may mount the small disk that this wants")
        (disk / "filler").write_bytes(bytes(TMPFS_BYTES - 4096 * 2))
        with pytest.raises(AssertionError, match="No space left on device"):
            Role(tmp_path, disk)
        assert "Traceback" not in (tmp_path / "said").read_text()
        (disk / "filler").unlink()
        role = Role(tmp_path, disk)
        role.write(10)
        wait_until(lambda: role.counted() == 10)
        role.stop()


@pytest.mark.parametrize("end", ["truncated", "deleted"])
def test_a_file_that_is_truncated_or_deleted_without_a_copy_is_told(tmp_path: Path, end: str):
    """What was read of it stays, what is written after is read; a rotation by copy or rename is no problem."""
    role = Role(tmp_path, tmp_path / "disk")
    try:
        role.write(100)
        wait_until(lambda: role.counted() == 100)
        (tmp_path / "app.log.1").write_bytes(role.log.read_bytes())
        os.truncate(role.log, 0)
        role.write(50)
        wait_until(lambda: role.counted() == 150)
        assert role.metric("bascule_log_problems_total", source="app") == 0
        (tmp_path / "app.log.1").unlink()
        if end == "truncated":
            os.truncate(role.log, 0)
        else:
            role.log.unlink()
        wait_until(lambda: role.metric("bascule_log_problems_total", source="app", reason=end) == 1)
        assert f"app.log was {end}" in role.said.read_text()
        role.write(10)
        wait_until(lambda: role.counted() == 160)
    finally:
        role.stop()
    assert role.numbers() == Counter(range(160))
