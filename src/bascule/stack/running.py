"""Running a stack: from checked ports to all parts ready, until it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bascule import generate
from bascule.api import Tokens
from bascule.api.tokens import FOLDER, WEBHOOK, write_private
from bascule.errors import PortBusy, ProcessFailed, StoreError, UsageError
from bascule.processes import ports
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program, Supervisor
from bascule.processes.workers import Workers
from bascule.spec import Spec
from bascule.stack import state
from bascule.stack.metrics import metrics_served, rows
from bascule.stack.plan import Layout, check_inputs, plan, ports_of

__all__ = ["console_address", "down", "status", "up"]

Report = Callable[[str], None]
LOOK_SECONDS = 0.5
DOWN_SECONDS = 40.0
JOIN_SECONDS = 10.0


def up(
    spec: Spec,
    spec_path: Path | str,
    report: Report,
    stop: threading.Event,
    ready: threading.Event | None = None,
) -> None:
    """Start the whole stack and keep it running until `stop` is set; nothing of it is left when this returns.

    1. hold the state folder, find every program, check every port, write the configuration
    2. start the parts stage by stage, each waited for; then set `ready`
    3. watch: crashed parts are restarted and reported, the status is kept for `status`

    Raises UsageError, AlreadyRunning, ProgramMissing, PortBusy or ProcessFailed; all that was started is stopped
    before.
    """
    check_inputs(spec)
    layout = Layout(spec.stack.state)
    with state.held(layout.state, spec_path):
        stages = plan(spec, spec_path)
        check_ports(spec)
        _write_config(spec, layout)
        _tell_external(spec, report)
        with Supervisor(report) as supervisor, metrics_served(spec, supervisor):
            with _status_kept(spec, layout, supervisor, report):
                for stage in stages:
                    if stop.is_set():
                        break
                    report(f"starting {', '.join(program.name for program in stage)}")
                    _start_together(stage, supervisor, stop)
                if not stop.is_set():
                    _tell_ready(spec, report)
                    if ready is not None:
                        ready.set()
                stop.wait()
            report("stopping everything")


def status(spec: Spec) -> list[dict[str, Any]]:
    """A row per process of the running stack; empty when none runs."""
    return state.read_status(Layout(spec.stack.state).state)


def down(spec: Spec) -> bool:
    """Stop the running stack and wait until it is gone; False when none runs. Raises ProcessFailed if it stays."""
    folder = Layout(spec.stack.state).state
    other = state.holder(folder)
    if other is None:
        return False
    os.kill(other.pid, signal.SIGTERM)
    if not wait_until(lambda: state.holder(folder) is None, DOWN_SECONDS, pause=0.1):
        raise ProcessFailed(
            f"pid {other.pid} was told to stop {DOWN_SECONDS:g} s ago and still runs", "check its output"
        )
    return True


def check_ports(spec: Spec) -> None:
    """Make sure that every part can listen. Raises PortBusy, also for a port that is given twice."""
    wanted = ports_of(spec)
    for port, count in Counter(wanted.values()).items():
        if count > 1:
            names = " and ".join(name for name, own in wanted.items() if own == port)
            raise PortBusy(f"port {port} is set for {names}", f"change one under stack.ports: {names}")
    for name, port in wanted.items():
        for host in spec.stack.listens(name):
            ports.check(host, port, name)


def _write_config(spec: Spec, layout: Layout) -> None:
    """The generated files, and beside them the secret that Alertmanager's configuration names."""
    tokens = Tokens(layout.state)
    tokens.ensure()
    try:
        generate.write(spec, layout.config)
    except UsageError as error:  # it speaks to the user of `bascule generate --out`
        raise StoreError(error.what, "free some space, or give stack.state in the spec another folder") from error
    write_private(layout.config / FOLDER / WEBHOOK, tokens.webhook)


def _start_together(stage: list[Program], supervisor: Supervisor, stop: threading.Event) -> None:
    """Start the programs of a stage at once; returns early when `stop` is set. Raises what the first failure raised."""
    with ThreadPoolExecutor(len(stage), thread_name_prefix="start") as pool:
        starting = [pool.submit(supervisor.start, program) for program in stage]
        try:
            _wait_for(starting, stop)
        except BaseException:
            supervisor.close()  # ends the starts that still wait
            raise
        if stop.is_set():
            supervisor.close()


def _wait_for(starting: list[Future[None]], stop: threading.Event) -> None:
    waiting = set(starting)
    while waiting and not stop.is_set():
        done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_EXCEPTION)
        for start in done:
            start.result()


@contextmanager
def _status_kept(spec: Spec, layout: Layout, supervisor: Supervisor, report: Report) -> Iterator[None]:
    """Keep the status file up to date from a thread of its own; what cannot be written now is tried again."""
    ended = threading.Event()

    def keep() -> None:
        last: list[dict[str, Any]] = []
        problem = ""
        while not ended.wait(LOOK_SECONDS):
            present = [row.model_dump() for row in rows(spec, supervisor)]
            if present == last:
                continue
            before, problem = problem, _problem_of_writing(layout.state, present)
            if problem and problem != before:
                report(problem)
            last = last if problem else present

    workers = Workers(ended)
    workers.start("status", keep)
    try:
        yield
    finally:
        ended.set()
        workers.join(JOIN_SECONDS)


def _problem_of_writing(folder: Path, rows: list[dict[str, Any]]) -> str:
    """Write the status; what went wrong, in a sentence, or nothing."""
    try:
        state.write_status(folder, rows)
    except OSError as error:
        return f"the status in {folder} cannot be written: {error.strerror}"
    return ""


def _tell_external(spec: Spec, report: Report) -> None:
    """A part that runs elsewhere does not get our configuration by itself, and may not be there at all."""
    for part, url in spec.stack.external.items():
        report(f"{part} runs elsewhere, at {url}; `bascule merge` writes what to add to its configuration")
        if not answers(f"{url.rstrip('/')}/-/ready", timeout=3.0)():
            report(f"warning: {part} at {url} does not answer")


def _tell_ready(spec: Spec, report: Report) -> None:
    report(f"all parts run; the console is {console_address(spec)}, Prometheus {spec.stack.url('prometheus')}")


def console_address(spec: Spec) -> str:
    """The console's address with a token that opens it once."""
    return Tokens(spec.stack.state).address(spec.stack.page("console"))
