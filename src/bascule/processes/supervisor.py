"""Starting programs, waiting until they are ready, restarting those that crash, and leaving none behind.

    with Supervisor(report=print) as supervisor:
        supervisor.start(Program("redis", ["redis-server", "--port", "6390"], ready=listens("127.0.0.1", 6390)))
        ...

Each program gets a session of its own, so that Ctrl-C reaches the supervisor only, and a signal to its process group
reaches all its workers. Should the supervisor itself be killed, a guardian process ends them (see `guardian`).
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, Self

from bascule import private
from bascule.errors import ProcessFailed
from bascule.processes import guardian, programs
from bascule.processes.guardian import signalled
from bascule.processes.workers import Workers

__all__ = ["ProcessState", "Program", "Supervisor", "backoff"]

FIRST_PAUSE = 0.5  # seconds before a crashed program is started again; doubles with each crash ...
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0  # ... and starts again at its shortest once it has run this long
GROUP_GRACE = 2.0  # seconds that workers get to follow their master
PR_SET_PDEATHSIG = 1
LOG_BYTES = 16 << 20  # a longer log is moved to <log>.1, in place of the one before
LOG_LOOK_SECONDS = 30.0
ASK_SECONDS = 1.0  # between two questions whether the children are alive
LONGEST_SILENCE = 10.0  # that one unanswered question counts for: this process may have been suspended itself
JOIN_SECONDS = 30.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Program:
    """Something to run until it is stopped.

    env: its variables; by default those of this process, with the private libraries if it comes from a private folder.
    log: the file its output is added to; by default it is thrown away.
    ready: asked until it says yes, for at most `ready_timeout` seconds; by default it is ready once it is started.
    alive: asked occasionally; when it says no for `hung_after` seconds the program is killed and started again. By
        default nobody asks.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    log: Path | None = None
    ready: Callable[[], bool] | None = None
    ready_timeout: float = 20.0
    alive: Callable[[], bool] | None = None
    hung_after: float = 30.0


@dataclass(frozen=True)
class ProcessState:
    """The state of a started program. `pid` is None between a crash and the restart; `since` in Unix seconds."""

    name: str
    pid: int | None
    state: Literal["starting", "running", "restarting"]
    since: float
    restarts: int


def backoff(crashes: int) -> float:
    """Seconds to wait before the next start after `crashes` crashes in a row (1, 2, ...)."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(crashes - 1, 10))


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    log_start: int  # bytes in the log before this start
    since: float = field(default_factory=time.time)
    watched: bool = False  # restarted when it exits unexpectedly
    crashes: int = 0
    restart_at: float | None = None
    silent: float = 0.0  # seconds in which it did not answer, up to now
    has_answered: bool = False  # since this start

    @property
    def is_hung(self) -> bool:
        """Until its first answer it gets the time that a start may take as well."""
        return self.silent >= self.program.hung_after + (0.0 if self.has_answered else self.program.ready_timeout)


class Supervisor:
    """A context manager that starts and watches programs, and stops them all, last first, at its end.

    report: is told, in a sentence, of each crash and restart; by default they are logged.
    grace: seconds between SIGTERM and SIGKILL. poll: seconds between two looks at the children.
    """

    def __init__(
        self,
        report: Callable[[str], None] = logger.warning,
        *,
        grace: float = 10.0,
        poll: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.restarts: dict[str, int] = {}
        self._report = report
        self._grace = grace
        self._poll = poll
        self._clock = clock
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        # A parent-death signal comes when the *thread* that started the child ends: one thread starts them all.
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
        self.workers = Workers(self._ended)
        self._guardian = _Guardian()

    def __enter__(self) -> Self:
        self.workers.start("watching", self._watch)
        self.workers.start("asking", self._ask)
        self.workers.start("shortening logs", self._keep_logs_short)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """As `with`, but stops everything only when what is done inside fails."""
        with ExitStack() as parts:
            parts.enter_context(self)
            yield
            parts.pop_all()

    def close(self) -> None:
        """Stop everything; all programs are told at once, and waited for in turn.

        May be called from another thread while `start` waits: that start then fails.
        """
        self._ended.set()
        self.workers.join(JOIN_SECONDS)
        with self._lock:
            children = list(reversed(self._children.values()))
            self._children.clear()
        self._end(children)
        self._spawner.shutdown()
        self._guardian.close()

    def start(self, program: Program) -> None:
        """Start a program and wait until it is ready. Raises ProcessFailed, with the end of its log, if it is not."""
        with self._lock:
            if self._ended.is_set():
                raise ProcessFailed(f"{program.name} was not started: the stack is stopping", "start it again")
            if self.is_running(program.name):
                raise ValueError(f"{program.name} is running already")
            self.restarts.setdefault(program.name, 0)
            child = self._children[program.name] = self._spawn(program)
        try:
            self._wait_until_ready(child)
        except BaseException:
            self._remove(program.name, child)
            raise
        child.watched = child.has_answered = True

    def stop(self, name: str) -> None:
        """SIGTERM, then SIGKILL after the grace time; returns when nothing of the program is left."""
        self._remove(name, self._children[name])

    def kill(self, name: str) -> None:
        """SIGKILL to all its processes; it stays down until it is started again."""
        with self._lock:
            child = self._children.pop(name)
        if child.restart_at is None:
            signalled(child.process.pid, signal.SIGKILL)
            child.process.wait()
            self._guardian.forget(child.process.pid)

    def pid(self, name: str) -> int:
        return self._children[name].process.pid

    def is_running(self, name: str) -> bool:
        child = self._children.get(name)
        return child is not None and child.process.poll() is None

    def states(self) -> list[ProcessState]:
        """The state of each program, in the order of their start."""
        with self._lock:
            return [_state(child, self.restarts[name]) for name, child in self._children.items()]

    @property
    def names(self) -> list[str]:
        """The programs that are running or about to be restarted, in the order of their start."""
        with self._lock:
            return list(self._children)

    def _remove(self, name: str, child: _Child) -> None:
        with self._lock:
            if self._children.get(name) is child:
                del self._children[name]
        self._end([child])

    # ------------------------------------------------------------ starting

    def _spawn(self, program: Program) -> _Child:
        return self._spawner.submit(self._spawn_here, program).result()

    def _spawn_here(self, program: Program) -> _Child:
        log_start = program.log.stat().st_size if program.log and program.log.exists() else 0
        process = _started(program)
        self._guardian.watch(process.pid)
        return _Child(program, process, self._clock(), log_start)

    def _wait_until_ready(self, child: _Child) -> None:
        program, deadline = child.program, self._clock() + child.program.ready_timeout
        while True:
            status = child.process.poll()
            if status is not None:
                raise _failed(child, f"{program.name} {_ending(status)} before it was ready")
            if program.ready is None or program.ready():
                return
            if self._clock() > deadline:
                raise _failed(child, f"{program.name} was not ready after {program.ready_timeout:g} s")
            if self._ended.wait(0.02):
                raise _failed(child, f"{program.name} was stopped before it was ready")

    # ------------------------------------------------------------ watching

    def _watch(self) -> None:
        while not self._ended.wait(self._poll):
            self.look()

    def _keep_logs_short(self) -> None:
        while not self._ended.wait(LOG_LOOK_SECONDS):
            self.shorten_logs()

    def shorten_logs(self) -> None:
        """Set aside the logs that have grown long; a program that repeats itself must not fill the disk."""
        with self._lock:
            logs = {child.program.log for child in self._children.values() if child.program.log}
        for log in logs:
            try:
                _shorten(log)
            except OSError as error:
                self._tell(f"{log} cannot be shortened: {error.strerror}")

    def _ask(self) -> None:
        before = self._clock()
        while not self._ended.wait(ASK_SECONDS):
            now = self._clock()
            self.ask(min(now - before, LONGEST_SILENCE))
            before = now

    def ask(self, elapsed: float) -> None:
        """Ask every child, side by side, whether it is alive; `elapsed`: seconds since the last time.

        One that has been silent for too long is killed, so that it is seen as crashed and started again.
        """
        with self._lock:
            asked = [c for c in self._children.values() if c.watched and c.restart_at is None and c.program.alive]
        if not asked:
            return
        with ThreadPoolExecutor(len(asked), thread_name_prefix="ask") as pool:
            for child, is_alive in zip(asked, pool.map(_is_alive, asked), strict=True):
                child.silent = 0.0 if is_alive else child.silent + elapsed
                child.has_answered |= is_alive
        for child in asked:
            if child.is_hung:
                self._end_hung(child)

    def _end_hung(self, child: _Child) -> None:
        with self._lock:
            if self._children.get(child.program.name) is child and child.process.poll() is None:
                self._tell(f"{child.program.name} has not answered for {child.silent:.0f} s and is ended")
                signalled(child.process.pid, signal.SIGKILL)

    def _tell(self, what: str) -> None:
        """The report may fail (a full disk, a closed terminal): the children are kept running."""
        try:
            self._report(what)
        except OSError:
            logger.warning(what)

    def look(self) -> None:
        """Check every child: note those that crashed, start those whose pause is over."""
        with self._lock:
            for child in [child for child in self._children.values() if child.watched]:
                if child.restart_at is not None:
                    self._restart_if_due(child)
                elif child.process.poll() is not None:
                    self._note_crash(child)

    def _note_crash(self, child: _Child) -> None:
        signalled(child.process.pid, signal.SIGKILL)  # workers it may have left behind hold its ports
        self._guardian.forget(child.process.pid)
        now = self._clock()
        child.crashes = 1 if now - child.started >= STEADY_SECONDS else child.crashes + 1
        pause = backoff(child.crashes)
        child.restart_at = now + pause
        self._tell(f"{child.program.name} {_ending(child.process.returncode)}; starting it again in {pause:g} s")

    def _restart_if_due(self, child: _Child) -> None:
        if child.restart_at is None or self._clock() < child.restart_at:
            return
        name = child.program.name
        try:
            fresh = self._spawn(child.program)
        except (ProcessFailed, OSError) as error:
            child.crashes += 1
            child.restart_at = self._clock() + backoff(child.crashes)
            self._tell(f"{error}; trying again in {backoff(child.crashes):g} s")
            return
        fresh.crashes, fresh.watched = child.crashes, True
        self._children[name] = fresh
        self.restarts[name] += 1
        self._tell(f"{name} was started again (restart {self.restarts[name]})")

    # ------------------------------------------------------------ stopping

    def _end(self, children: Iterable[_Child]) -> None:
        # The group of a crashed child is gone already, and its number may be another's by now.
        ending = [child for child in children if child.restart_at is None]
        for child in ending:
            signalled(child.process.pid, signal.SIGTERM)
            signalled(child.process.pid, signal.SIGCONT)  # a stopped process does not hear SIGTERM
        deadline = time.monotonic() + self._grace
        for child in ending:
            _wait_for_end(child.process, deadline)
            self._guardian.forget(child.process.pid)


@dataclass
class _Guardian:
    """The guardian process, started with the first program."""

    process: subprocess.Popen[bytes] | None = None
    groups: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, group: int) -> None:
        with self.lock:
            self.groups.add(group)
            if self.process is None or self.process.poll() is not None:
                self._begin()
            else:
                self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        with self.lock:
            self.groups.discard(group)
            self._tell(f"-{group}\n")

    def close(self) -> None:
        with self.lock:
            process, self.process = self.process, None
        if process is not None and process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()

    def _begin(self) -> None:
        # -I -S: it needs nothing but the standard library, and must start fast.
        argv = [sys.executable, "-I", "-S", guardian.__file__]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, cwd="/", start_new_session=True
        )
        self._tell("".join(f"+{group}\n" for group in self.groups))

    def _tell(self, text: str) -> None:
        if self.process is None or self.process.stdin is None:
            return
        with suppress(BrokenPipeError):  # it was killed: the next start begins another, which is told of all groups
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()


def _is_alive(child: _Child) -> bool:
    return child.program.alive is None or child.program.alive()


def _state(child: _Child, restarts: int) -> ProcessState:
    if child.process.poll() is not None:
        return ProcessState(child.program.name, None, "restarting", child.since, restarts)
    state: Literal["starting", "running"] = "running" if child.watched else "starting"
    return ProcessState(child.program.name, child.process.pid, state, child.since, restarts)


def _started(program: Program) -> subprocess.Popen[bytes]:
    env = program.env if program.env is not None else programs.environment(program.argv[0])
    with _opened(program.log) as output:
        try:
            return subprocess.Popen(
                list(program.argv),
                env=env,
                cwd=program.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()) if _libc else None,
            )
        except OSError as error:
            what = f"{program.name} cannot be started: {error.strerror}: {program.argv[0]}"
            raise ProcessFailed(what, "check that the program exists and may be executed") from error


def _opened(log: Path | None) -> IO[bytes]:
    if log is None:
        return open(os.devnull, "ab")
    try:
        private.make_folder(log.parent)
        return private.opened(log, "ab")
    except OSError as error:  # a full disk keeps nothing from running
        logger.warning("%s cannot be written: %s", log, error.strerror)
        return open(os.devnull, "ab")


def _shorten(log: Path) -> None:
    if not log.exists() or log.stat().st_size <= LOG_BYTES:
        return
    aside = log.with_name(f"{log.name}.1")
    aside.unlink(missing_ok=True)  # it makes room for the next one
    try:
        shutil.copyfile(log, aside)
    finally:  # also where there is no room: a log that fills the disk is worth less than the disk
        os.truncate(log, 0)  # its program goes on adding at the end, wherever that is


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent(parent: int) -> Callable[[], None]:
    """What a child does before its program starts: ask the kernel for SIGTERM at its parent's death."""

    def ask() -> None:
        assert _libc is not None
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask


def _wait_for_end(process: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        signalled(process.pid, signal.SIGKILL)
        process.wait()
    workers_deadline = time.monotonic() + GROUP_GRACE
    while signalled(process.pid, 0):
        if time.monotonic() > workers_deadline:
            signalled(process.pid, signal.SIGKILL)
            return
        time.sleep(0.01)


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    known = {number.value: number.name for number in signal.Signals}
    return f"was killed by {known.get(-status, f'signal {-status}')}"


def _failed(child: _Child, what: str) -> ProcessFailed:
    log = child.program.log
    if log is None:
        return ProcessFailed(what)
    with log.open("rb") as file:
        file.seek(child.log_start)
        lines = file.read().decode(errors="replace").splitlines()[-10:]
    said = "".join(f"\n    {line}" for line in lines) or " nothing"
    return ProcessFailed(f"{what}; it said:{said}", f"read its log: {log}")
