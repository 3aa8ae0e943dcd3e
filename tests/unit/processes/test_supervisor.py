"""Starting, watching and stopping programs, tried on tiny programs of a line or two."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.errors import ProcessFailed
from bascule.processes.supervisor import LONGEST_PAUSE, Program, Supervisor, backoff

SLEEP = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
# A master with a worker of its own that ignores SIGTERM; the worker's pid is printed.
WORKER = f"""
import subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", {DEAF!r}], stdout=subprocess.PIPE)
worker.stdout.readline()
print(worker.pid, flush=True)
time.sleep(600)
"""


def python(name: str, code: str, log: Path | None = None, **more) -> Program:
    return Program(name, [sys.executable, "-I", "-S", "-c", code], log=log, **more)


def is_alive(pid: int) -> bool:
    """Whether a process lives; one that is dead but not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def says(log: Path, text: str = "\n"):
    return lambda: log.exists() and text in log.read_text()


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_program_runs_until_the_supervisor_ends():
    with Supervisor() as supervisor:
        supervisor.start(python("sleeper", SLEEP))
        pid = supervisor.pid("sleeper")
        assert is_alive(pid)
        assert [(state.name, state.pid, state.state) for state in supervisor.states()] == [("sleeper", pid, "running")]
    assert not is_alive(pid)


def test_start_waits_until_the_program_says_that_it_is_ready(tmp_path):
    log = tmp_path / "log"
    with Supervisor() as supervisor:
        supervisor.start(python("slow", f"print('ready', flush=True); {SLEEP}", log, ready=says(log, "ready")))
        assert "ready" in log.read_text()


def test_a_program_that_ends_before_it_is_ready_is_told_with_the_end_of_its_log(tmp_path):
    log = tmp_path / "log"
    log.write_text("of an earlier run\n")
    program = python("broken", "print('no such file: x.yml'); raise SystemExit(3)", log, ready=lambda: False)
    with Supervisor() as supervisor, pytest.raises(ProcessFailed) as failure:
        supervisor.start(program)
    assert "broken ended with status 3 before it was ready" in failure.value.what
    assert "no such file: x.yml" in failure.value.what
    assert "earlier run" not in failure.value.what
    assert str(log) in failure.value.fix


def test_a_program_that_is_never_ready_is_stopped_and_told():
    with Supervisor() as supervisor:
        with pytest.raises(ProcessFailed, match=r"was not ready after 0\.1 s"):
            supervisor.start(python("lazy", SLEEP, ready=lambda: False, ready_timeout=0.1))
        assert supervisor.names == []


def test_a_program_that_does_not_exist_is_told_by_its_path():
    with Supervisor() as supervisor, pytest.raises(ProcessFailed, match=r"cannot be started: No such file.*/no/such"):
        supervisor.start(Program("ghost", ["/no/such"]))


def test_a_program_that_a_nameless_signal_ended_is_restarted_too(eventually):
    clock, told = Clock(), []
    supervisor = Supervisor(told.append, clock=clock)
    try:
        supervisor.start(python("fragile", SLEEP))
        os.kill(supervisor.pid("fragile"), signal.SIGRTMIN + 6)
        eventually(lambda: not supervisor.is_running("fragile"))
        supervisor.look()
        assert "was killed by signal" in told[-1]
    finally:
        supervisor.close()


def test_a_crashed_program_is_restarted_after_a_growing_pause_and_reported(eventually):
    clock, told = Clock(), []
    supervisor = Supervisor(told.append, clock=clock)  # not entered: this test does the looking
    try:
        supervisor.start(python("fragile", SLEEP))
        for crash, pause in enumerate((0.5, 1.0, 2.0), 1):
            os.kill(supervisor.pid("fragile"), signal.SIGKILL)
            eventually(lambda: not supervisor.is_running("fragile"))
            supervisor.look()
            assert told[-1] == f"fragile was killed by SIGKILL; starting it again in {pause:g} s"
            assert supervisor.states()[0].state == "restarting"
            clock.now += pause - 0.01
            supervisor.look()
            assert not supervisor.is_running("fragile")
            clock.now += 0.02
            supervisor.look()
            assert supervisor.is_running("fragile")
            assert supervisor.restarts == {"fragile": crash}
            assert told[-1] == f"fragile was started again (restart {crash})"
    finally:
        supervisor.close()


def test_the_pause_begins_anew_after_a_steady_minute(eventually):
    clock, told = Clock(), []
    supervisor = Supervisor(told.append, clock=clock)
    try:
        supervisor.start(python("fragile", SLEEP))
        for _ in range(2):
            os.kill(supervisor.pid("fragile"), signal.SIGKILL)
            eventually(lambda: not supervisor.is_running("fragile"))
            clock.now += 61
            supervisor.look()
            assert told[-1].endswith("in 0.5 s")
            clock.now += 0.5
            supervisor.look()
    finally:
        supervisor.close()


def test_the_watcher_restarts_without_being_asked(eventually):
    with Supervisor(lambda _: None, poll=0.01) as supervisor:
        supervisor.start(python("fragile", SLEEP))
        first = supervisor.pid("fragile")
        os.kill(first, signal.SIGKILL)
        eventually(lambda: supervisor.restarts["fragile"] == 1)
        assert supervisor.pid("fragile") != first


def test_a_program_that_hangs_is_ended_and_started_again(tmp_path, eventually):
    """A process that is stopped lives, and does nothing: only asking it tells."""
    told, log = [], tmp_path / "log"
    beats = "import time\nwhile True: print('beat', flush=True); time.sleep(0.05)"

    def is_beating() -> bool:
        before = log.stat().st_size
        time.sleep(0.3)
        return log.stat().st_size > before

    with Supervisor(told.append, poll=0.01) as supervisor:
        supervisor.start(python("worker", beats, log, alive=is_beating, hung_after=1.0))
        first = supervisor.pid("worker")
        os.kill(first, signal.SIGSTOP)
        eventually(lambda: supervisor.restarts["worker"] == 1, 30)
        assert supervisor.pid("worker") != first
    assert "worker has not answered for" in told[0]


def test_a_program_that_is_slow_to_start_again_is_not_taken_for_hung():
    """Until its first answer it gets the time that a start may take, and then as much as any other."""
    clock = Clock()
    supervisor = Supervisor(lambda _: None, clock=clock)
    answers = iter([True])
    program = python("slow", SLEEP, alive=lambda: next(answers, False), ready_timeout=60.0, hung_after=30.0)
    supervisor.start(program)
    first = supervisor.pid("slow")
    for seconds in (1.0, 10.0, 10.0, 10.0):
        supervisor.ask(seconds)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    supervisor.look()
    clock.now += 1
    supervisor.look()
    second = supervisor.pid("slow")
    for _ in range(8):
        supervisor.ask(10.0)
    assert second != first
    assert is_alive(second)
    supervisor.ask(10.0)
    os.waitid(os.P_PID, second, os.WEXITED | os.WNOWAIT)
    supervisor.close()


def test_nothing_that_goes_wrong_while_watching_ends_the_watching(tmp_path, eventually, monkeypatch):
    """Neither a log that cannot be set aside, nor a report that cannot be written, nor an error nobody thought of."""

    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bascule.processes.supervisor.LOG_BYTES", 10)
    monkeypatch.setattr("bascule.processes.supervisor.LOG_LOOK_SECONDS", 0.05)
    monkeypatch.setattr("bascule.processes.supervisor.shutil.copyfile", no_space)
    log = tmp_path / "log"
    with Supervisor(no_space, poll=0.01) as supervisor:
        supervisor.start(python("loud", f"print('x' * 100, flush=True); {SLEEP}", log))
        eventually(lambda: log.exists() and log.stat().st_size == 0)
        look, failures = supervisor.look, iter([ValueError("unheard of")])

        def failing_once():
            for failure in failures:
                raise failure
            look()

        monkeypatch.setattr(supervisor, "look", failing_once)
        eventually(lambda: supervisor.workers.deaths["watching"] == 1)
        assert supervisor.workers.problems() == ["watching died 1 times and was started again"]
        os.kill(supervisor.pid("loud"), signal.SIGKILL)
        eventually(lambda: supervisor.restarts["loud"] == 1)


def test_the_workers_of_a_crashed_program_are_killed_before_it_is_restarted(tmp_path, eventually):
    log = tmp_path / "log"
    with Supervisor(lambda _: None, poll=0.01) as supervisor:
        supervisor.start(python("master", WORKER, log, ready=says(log)))
        worker = int(log.read_text())
        os.kill(supervisor.pid("master"), signal.SIGKILL)
        eventually(lambda: not is_alive(worker))


def test_a_killed_program_stays_down_until_it_is_started_again():
    with Supervisor(poll=0.01) as supervisor:
        program = python("victim", SLEEP)
        supervisor.start(program)
        supervisor.kill("victim")
        supervisor.look()
        assert not supervisor.is_running("victim")
        supervisor.start(program)
        assert supervisor.is_running("victim")
        assert supervisor.restarts == {"victim": 0}


def test_a_program_that_ignores_sigterm_is_killed_with_its_workers(tmp_path, eventually):
    log = tmp_path / "log"
    with Supervisor(grace=0.2) as supervisor:
        supervisor.start(python("master", WORKER, log, ready=says(log)))
        worker = int(log.read_text())
        supervisor.start(python("deaf", DEAF, tmp_path / "deaf", ready=says(tmp_path / "deaf")))
        deaf = supervisor.pid("deaf")
        supervisor.stop("deaf")
        assert not is_alive(deaf)
    eventually(lambda: not is_alive(worker))  # killed; the system takes a moment to bury what is not our own child


def test_a_program_that_was_stopped_by_a_signal_still_ends():
    with Supervisor(grace=5) as supervisor:
        supervisor.start(python("frozen", SLEEP))
        pid = supervisor.pid("frozen")
        os.kill(pid, signal.SIGSTOP)
    assert not is_alive(pid)


def test_closing_from_another_thread_ends_a_start_that_still_waits():
    failures = []

    def begin(supervisor: Supervisor) -> None:
        try:
            supervisor.start(python("lazy", SLEEP, ready=lambda: asked.set() or False))
        except ProcessFailed as error:
            failures.append(error.what)

    asked = threading.Event()
    with Supervisor() as supervisor:
        starting = threading.Thread(target=begin, args=(supervisor,))
        starting.start()
        asked.wait(10)
        supervisor.close()
        starting.join(10)
    assert failures == ["lazy was stopped before it was ready"]


def test_nothing_starts_once_everything_is_being_stopped():
    with Supervisor() as supervisor:
        supervisor.close()
        with pytest.raises(ProcessFailed, match="the stack is stopping"):
            supervisor.start(python("late", SLEEP))


def test_a_log_that_has_grown_long_is_set_aside_and_written_on(tmp_path, monkeypatch, eventually):
    monkeypatch.setattr("bascule.processes.supervisor.LOG_BYTES", 100)
    log = tmp_path / "log"
    chatter = "import time\nwhile True: print('x' * 60, flush=True); time.sleep(0.01)"
    with Supervisor() as supervisor:
        supervisor.start(python("chatter", chatter, log))
        eventually(lambda: log.stat().st_size > 100)
        supervisor.shorten_logs()
        eventually(lambda: log.stat().st_size > 0)
        assert log.read_text().startswith("x")
    assert (tmp_path / "log.1").stat().st_size > 100


PARENT = """
import sys, time
from bascule.processes.supervisor import Program, Supervisor
from pathlib import Path
log = Path({log!r})
with Supervisor() as supervisor:
    ready = lambda: log.exists() and "\\n" in log.read_text()
    supervisor.start(Program("master", [sys.executable, "-I", "-S", "-c", {worker!r}], log=log, ready=ready))
    print(supervisor.pid("master"), flush=True)
    time.sleep(600)
"""


def test_children_and_their_workers_end_when_the_supervisor_itself_is_killed(tmp_path, eventually):
    log = tmp_path / "log"
    code = PARENT.format(log=str(log), worker=WORKER)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        master = int(parent.stdout.readline())
        worker = int(log.read_text())
        assert is_alive(master)
        assert is_alive(worker)
        parent.kill()
    eventually(lambda: not is_alive(master) and not is_alive(worker), 15)  # the worker is deaf to SIGTERM


def test_a_child_outlives_the_thread_that_asked_for_it():
    with Supervisor(poll=0.01) as supervisor:
        asking = threading.Thread(target=supervisor.start, args=(python("sleeper", SLEEP),))
        asking.start()
        asking.join()
        supervisor.look()
        assert supervisor.is_running("sleeper")
        assert supervisor.restarts == {"sleeper": 0}


@given(st.integers(1, 10_000))
def test_the_pause_grows_with_each_crash_and_has_an_end(crashes):
    assert 0 < backoff(crashes) <= backoff(crashes + 1) <= LONGEST_PAUSE
