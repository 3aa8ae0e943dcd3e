"""Hostile files: memory stays bounded, nothing stops the reading, every line is accounted for."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pylogbeat import PyLogBeatClient

from bascule import logs
from bascule.errors import ProgramMissing
from bascule.logs import FEW_LINES, MAX_INFLATED, MAX_PACKED, LogReader
from bascule.processes import programs
from bascule.spec import load
from bascule.spec.model import Logs, LogSource, Spec

pytestmark = pytest.mark.integration
CALL = (
    "2026-01-31T12:00:00.123Z INFO supersmartmatch-v2 API_CALL user_id=u{} endpoint=/e/{}"
    " response_time=0.02 status=200\n"
)
GOOD = CALL.format(1, 1).encode()
CENTURY = 36_000 * 86_400.0
CHILD = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_logs_hostile import spec_of
from bascule.logs import ingest
done = ingest(spec_of(Path(sys.argv[1]), sys.argv[2]), [sys.argv[2]])
from bench.logs import peak_megabytes
print(json.dumps({"rows": done.rows, "unparsed": done.unparsed, "mb": peak_megabytes()}))
"""


def spec_of(state: Path, files: str) -> Spec:
    base = load("supersmartmatch")
    sources = [LogSource(name="app", files=files, formats=["api_call", "match_result"])]
    kept = Logs(sources=sources, pseudonymise=["user_id"], retention=CENTURY)
    return base.model_copy(update={"logs": kept, "stack": base.stack.model_copy(update={"state": state})})


def ingest_apart(folder: Path, path: Path) -> dict[str, float]:
    """In a process of its own, so that its memory can be told."""
    argv = [sys.executable, "-c", CHILD, str(folder / "state"), str(path), str(Path(__file__).parent)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("name", "data", "rows", "unparsed"),
    [
        ("bytes that are no text", b"\xff\xfe\x00bad\n" + GOOD + b"\xc3\n" + GOOD, 4, 2),
        ("U+FFFD at line start", "\ufffdx\n".encode() + GOOD, 2, 1),
        ("NUL bytes", bytes(5000) + b"\n" + GOOD, 2, 1),
        ("no final newline", GOOD + GOOD[:-1], 2, 0),
        ("empty lines", b"\n\n" + GOOD + b"\r\n", 4, 3),
        ("times of other centuries", GOOD * 2 + GOOD.replace(b"2026", b"9999") + GOOD.replace(b"2026", b"0001"), 4, 0),
        ("a JSON depth bomb", b'{"a":' * 100_000 + b"\n" + GOOD, 2, 1),
        ("a Docker line nested too deep", b'{"log":"' + b'x","a":' + b"[" * 100_000 + b"\n" + GOOD, 2, 1),
        ("a Docker line whose text is a number", b'{"log":"x","log":1,"stream":"s","time":"t"}\n' + GOOD, 2, 1),
        ("escape codes", b"\x1b]0;title\x07\x1b[2J" + GOOD + GOOD, 2, 1),
        ("numbers out of bounds", GOOD.replace(b"0.02", b"9e99") + GOOD.replace(b"=200", b"=" + b"9" * 14), 2, 0),
    ],
)
@pytest.mark.parametrize("more", [0, FEW_LINES])
def test_every_line_is_accounted_for(tmp_path: Path, more: int, name: str, data: bytes, rows: int, unparsed: int):
    """Parsed where it is a line of the format, else kept as text and counted; line by line, and many at once."""
    path = tmp_path / "app.log"
    path.write_bytes(GOOD * more + data)
    rows += more
    found = logs.ingest(spec_of(tmp_path / "state", str(path)), [str(path)])
    assert (found.rows, found.unparsed) == (rows, unparsed), name
    kept = rows - found.expired  # a time of another century is past the retention
    assert LogReader(tmp_path / "state" / "logs").query("select count(*) as n from logs") == [{"n": kept}]


def test_lines_of_fifty_megabytes_take_little_memory(tmp_path: Path):
    """Three of them; the first 16 KiB of each are kept as text."""
    path = tmp_path / "app.log"
    with path.open("wb") as file:
        for _ in range(3):
            file.write(GOOD)
            for _ in range(50):
                file.write(b"x" * (1 << 20))
            file.write(b"\n")
        file.write(GOOD)
    found = ingest_apart(tmp_path, path)
    assert (found["rows"], found["unparsed"]) == (7, 3)
    assert found["mb"] < 300


def test_ten_thousand_endpoints_are_stored_but_not_all_become_series(tmp_path: Path):
    """The metrics take 500 and count the rest as `other`."""
    path = tmp_path / "app.log"
    call = CALL.replace("2026-01-31T12:00:00.123Z", datetime.now(UTC).isoformat(timespec="milliseconds"))
    path.write_text("".join(call.format(n, n % 10_000) for n in range(100_000)))
    found = ingest_apart(tmp_path, path)
    assert found["rows"] == 100_000
    assert found["mb"] < 300
    root = tmp_path / "state" / "logs"
    assert LogReader(root).query("select count(distinct endpoint) as n from logs") == [{"n": 10_000}]
    counters = json.loads((root / "checkpoint.json").read_text())["tally"]["counters"]
    requests = {labels[1]: n for name, labels, n in counters if name == "bascule_log_requests_total"}
    assert len(requests) == 501
    assert sum(requests.values()) == 100_000


@pytest.mark.parametrize(
    ("byte", "rows", "unparsed"), [(b"x", 2, 1), (b"\0", 1, 0)], ids=["one line without an end", "one hole"]
)
def test_a_compressed_bomb_takes_little_memory(tmp_path: Path, byte: bytes, rows: int, unparsed: int):
    """300 MB of one byte in 300 kB."""
    path = tmp_path / "app.log.1.gz"
    with gzip.open(path, "wb") as file:
        file.write(GOOD)
        for _ in range(300):
            file.write(byte * (1 << 20))
    found = ingest_apart(tmp_path, path)
    assert (found["rows"], found["unparsed"]) == (rows, unparsed)
    assert found["mb"] < 300


def test_mtail_stops_for_good_where_ours_goes_on(tmp_path: Path):
    """A line that starts with U+FFFD: the differential test behind the promise."""
    try:
        program = programs.find("mtail")
    except ProgramMissing:
        pytest.skip("mtail is not here: `tools/fetch_programs.py peers` fetches it")
    path = tmp_path / "app.log"
    path.write_bytes(GOOD + "\ufffdodd\n".encode() + GOOD * 10)
    (tmp_path / "count.mtail").write_text("counter calls\n/API_CALL/ {\n  calls++\n}\n")
    argv = [
        program,
        "--one_shot",
        "--one_shot_format=prometheus",
        f"--progs={tmp_path / 'count.mtail'}",
        f"--logs={path}",
    ]
    environment = programs.environment(program) | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*map(str, argv), f"--logs={path}", "--log_dir", str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    theirs = [line.rsplit(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith("calls")]
    assert theirs == ["1"], "mtail reads past it now: say so in the docs"
    assert ingest_apart(tmp_path, path)["rows"] == 12


def frame(number: int, document: bytes) -> bytes:
    return b"2J" + struct.pack(">II", number, len(document)) + document


def packed(frames: bytes) -> bytes:
    data = zlib.compress(frames, 1)
    return b"2C" + struct.pack(">I", len(data)) + data


def memory_of(process: int) -> float:
    """The most megabytes it has had."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def test_bombs_on_every_connection_of_the_beats_port_take_little_memory(tmp_path: Path):
    """Twenty clients with frames that unpack to 16 MB, twelve that stop within a frame of 4 MB; others are served."""
    (tmp_path / "store").mkdir()
    argv = [sys.executable, "-m", "bench.logs", "serve", str(tmp_path / "store"), str(tmp_path / "port")]
    document = json.dumps({"pad": "x" * 210, "message": CALL.format(1, 1)[:-1]}).encode()
    frames = b"".join(frame(n, document) for n in range(1, (MAX_INFLATED - 1000) // (len(document) + 10)))
    bomb = b"2W" + struct.pack(">I", 60_000) + packed(frames)
    unfinished = b"2C" + struct.pack(">I", MAX_PACKED) + os.urandom(MAX_PACKED - 10_000)
    with subprocess.Popen(argv) as server, contextlib.ExitStack() as stack:
        stack.callback(server.kill)  # also when this fails: its end is waited for
        attackers = stack.enter_context(contextlib.ExitStack())
        wait_until((tmp_path / "port").exists)
        address = ("127.0.0.1", int((tmp_path / "port").read_text()))

        def attack(data: bytes) -> None:
            with contextlib.suppress(OSError):  # it may be turned away while it sends
                connection = attackers.enter_context(socket.create_connection(address, timeout=60))
                connection.sendall(data)
                connection.recv(1)

        threads = [threading.Thread(target=attack, args=(unfinished,), daemon=True) for _ in range(12)]
        threads += [threading.Thread(target=attack, args=(bomb,), daemon=True) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads[12:]:
            thread.join(60)
        attackers.close()
        with PyLogBeatClient(*address, timeout=20) as client:
            client.send([{"message": "good"}])
        assert memory_of(server.pid) < 300
        server.terminate()
    assert LogReader(tmp_path / "store").query("select count(*) as n from logs where message = 'good'") == [{"n": 1}]


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.05)
