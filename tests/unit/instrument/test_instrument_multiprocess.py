"""Several processes, one page. Each runs as a real process, because prometheus_client decides at its import."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parse

from bascule.errors import UsageError
from bascule.instrument import Instrument
from bascule.instrument.multiprocess import forget_dead_workers, start_afresh

from .conftest import page_of

DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

WORKER = """
import sys, threading
from bascule.instrument import Instrument
instrument = Instrument(version="v2")
def work():
    for n in range(500):
        instrument.record_match_result("v2", "nexten", "freemium", 0.9, n % 2 == 0, 2.0)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
instrument.set_active_users("v2", "freemium", 5)
instrument.update_traffic_split(3, 1)
"""

FORKING = """
import os
from bascule.instrument import Instrument
instrument = Instrument(version="v2")  # before the fork, as gunicorn --preload does
instrument.record_cache("v2", True)
children = []
for _ in range(3):
    if (pid := os.fork()) == 0:
        for _ in range(100): instrument.record_cache("v2", True)
        os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
instrument.record_cache("v2", True)
"""

APPLICATION = """
import sys
from wsgiref.util import setup_testing_defaults
from bascule.instrument import Instrument
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
app = Instrument(version="v2").wsgi(app, segment=lambda environ: "freemium")
for _ in range(10):
    environ = {}
    setup_testing_defaults(environ)
    body = app(environ, lambda *arguments: None)
    list(body); body.close()
environ["PATH_INFO"] = "/metrics"
sys.stdout.write(b"".join(app(environ, lambda *arguments: None)).decode())
"""


def _start(folder: Path, script: str) -> subprocess.Popen[str]:
    environment = os.environ | {DIRECTORY_VARIABLE: str(folder)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", script], env=environment, text=True, stdout=pipe, stderr=pipe)


def _samples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(folder))
    return _read(page_of(Instrument(registry=CollectorRegistry())))


def _read(page: str) -> dict[str, float]:
    """Sums by sample name."""
    sums: dict[str, float] = {}
    for family in parse(page):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def test_no_increment_of_concurrent_processes_and_threads_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [_start(tmp_path, WORKER) for _ in range(3)]
    for worker in workers:
        assert worker.wait() == 0, worker.communicate()
    sums = _samples(tmp_path, monkeypatch)
    assert sums["supersmartmatch_matches_total"] == 3 * 4 * 500
    assert sums["supersmartmatch_accuracy_score_count"] == 3 * 4 * 500
    assert sums["supersmartmatch_match_value_total"] == 3 * 4 * 250 * 2


def test_the_gauges_of_dead_workers_stop_counting_and_their_counters_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _start(tmp_path, WORKER).wait() == 0
    assert list(tmp_path.glob("gauge_livesum_*.db"))
    sums = _samples(tmp_path, monkeypatch)
    assert "supersmartmatch_active_users" not in sums
    assert sums["supersmartmatch_matches_total"] == 4 * 500


def test_the_gauges_of_a_living_worker_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = _start(tmp_path, WORKER + "\nprint('ready', flush=True)\nsys.stdin.read()")
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    sums = _samples(tmp_path, monkeypatch)
    assert sums["supersmartmatch_active_users"] == 5
    assert sums["supersmartmatch_traffic_split_ratio"] == 1
    assert sums["supersmartmatch_build_info"] == 1
    worker.kill()
    worker.wait()
    forget_dead_workers()
    assert not list(tmp_path.glob("gauge_live*.db"))


def test_forked_workers_count_in_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = _start(tmp_path, FORKING)
    assert worker.wait() == 0, worker.communicate()
    assert _samples(tmp_path, monkeypatch)["supersmartmatch_cache_requests_total"] == 302


def test_the_middleware_and_the_derived_histogram_work_in_multiprocess_mode(tmp_path: Path) -> None:
    out, errors = _start(tmp_path, APPLICATION).communicate()
    assert not errors
    sums = _read(out)
    assert sums["http_requests_total"] == 10
    assert sums["http_request_duration_seconds_count"] == 10
    assert sums["supersmartmatch_response_time_seconds_count"] == 10


SHORT_LIVED = """
from bascule.instrument import Instrument
instrument = Instrument(version="v2")
for _ in range(10): instrument.record_cache("v2", True)
instrument.record_rating("v2", "freemium", 4)
"""


def test_dead_workers_files_become_one_and_scrapes_meanwhile_never_go_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [0.0]
    for _ in range(2):
        workers = [_start(tmp_path, SHORT_LIVED) for _ in range(3)]
        while any(worker.poll() is None for worker in workers):
            seen.append(_samples(tmp_path, monkeypatch).get("supersmartmatch_cache_requests_total", 0.0))
        assert [worker.returncode for worker in workers] == [0, 0, 0]
    sums = _samples(tmp_path, monkeypatch)
    assert seen == sorted(seen)
    assert sums["supersmartmatch_cache_requests_total"] == 2 * 3 * 10
    assert sums["supersmartmatch_user_rating_sum"] == 2 * 3 * 4
    assert sorted(file.name for file in tmp_path.glob("*.db")) == ["counter_merged.db", "histogram_merged.db"]


@pytest.fixture(scope="module")
def two_dead(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of two workers that have ended; for tests to copy."""
    folder = tmp_path_factory.mktemp("dead")
    for _ in range(2):
        assert _start(folder, SHORT_LIVED).wait() == 0
    return folder


@pytest.mark.parametrize("kill_at", range(1, 8))
def test_a_merge_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_dead: Path, kill_at: int
) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    shutil.copytree(two_dead, tmp_path, dirs_exist_ok=True)
    steps = 0

    def step(act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == kill_at:
                raise KeyboardInterrupt
            return act(*arguments, **options)

        return counted

    with monkeypatch.context() as patched, contextlib.suppress(KeyboardInterrupt):
        patched.setattr(Path, "rename", step(Path.rename))
        patched.setattr(Path, "unlink", step(Path.unlink))
        forget_dead_workers()
    assert _start(tmp_path, SHORT_LIVED).wait() == 0
    assert _samples(tmp_path, monkeypatch)["supersmartmatch_cache_requests_total"] == 3 * 10
    assert _samples(tmp_path, monkeypatch)["supersmartmatch_user_rating_count"] == 3
    assert not list(tmp_path.glob("*.old"))


def test_a_directory_that_cannot_be_written_is_an_error_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent"
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(absent))
    with pytest.raises(UsageError, match=str(absent)):
        Instrument(registry=CollectorRegistry())
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(file))
    with pytest.raises(UsageError, match="cannot be written"):
        start_afresh()


def test_a_service_with_such_a_directory_says_so_before_its_first_request(tmp_path: Path) -> None:
    _, errors = _start(
        tmp_path / "absent", "from bascule.instrument import Instrument\nInstrument(version='v2')"
    ).communicate()
    assert "UsageError" in errors
    assert "make the directory before the service starts" in errors


def test_a_new_start_forgets_the_last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counter_1.db").touch()
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    start_afresh()
    assert not list(tmp_path.iterdir())


PRELOADED = """
import json, os
from pathlib import Path
from bascule.instrument import Instrument
from bascule.instrument.multiprocess import on_starting
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
(folder / "counter_1.db").touch()  # of the run before
(folder / "instrument.json").write_text(json.dumps({"segments": ["freemium"], "endpoints": ["GET /match"]}))
instrument = Instrument(version="v2", config=folder / "instrument.json")  # before the hook, as gunicorn --preload does
on_starting(None)
(pid := os.fork()) and os.waitpid(pid, 0)
if pid:
    environ = {"REQUEST_METHOD": "GET"}
    print(b"".join(instrument.metrics_app()(environ, lambda *arguments: None)).decode())
    print("# left:", sorted(file.name for file in folder.glob("counter_*")) == [f"counter_{os.getpid()}.db"])
"""


def test_declared_label_sets_of_a_preloaded_application_exist_at_zero_before_a_worker_counts(tmp_path: Path) -> None:
    out, errors = _start(tmp_path, PRELOADED).communicate()
    assert not errors
    found = {
        sample.labels["status"]: sample.value
        for family in parse(out)
        for sample in family.samples
        if sample.name == "http_requests_total" and sample.labels["endpoint"] == "/match"
    }
    assert found == {"200": 0, "500": 0, "503": 0, "599": 0}
    assert "# left: True" in out
