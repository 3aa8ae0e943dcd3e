"""What this machine lacks to run a spec's stack, and how to get it."""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bascule import generate, private, times
from bascule.api.client import proof_wanted
from bascule.api.servers import prometheus_of
from bascule.api.tokens import FOLDER, WEBHOOK, read_token
from bascule.conventions import SWITCH_ARRIVED, RuleGroup
from bascule.discover import DoctorFinding, compare
from bascule.errors import BasculeError, PortBusy, ProcessFailed, ProgramMissing, UsageError
from bascule.generate.alerting.watcher import lacks_watcher
from bascule.processes import command, ports, programs
from bascule.prometheus import Prometheus
from bascule.spec import Spec
from bascule.stack import state
from bascule.stack.plan import Layout, check_inputs, config_folder, exporters, ports_of
from bascule.transport import Http

__all__ = ["DoctorCheck", "doctor", "told"]

OLDEST_PYTHON = (3, 11)
TESTED = {"prometheus": (2, 42), "prometheus-alertmanager": (0, 25)}  # older ones may lack a flag or a function
NEEDED_BYTES = 1 << 30
_VERSION_SECONDS = 10.0  # that a program gets to say its version
SWITCH_SECONDS = 150.0  # in which the switch, repeated each minute, has come again
BINARIES = {
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "node_exporter": "prometheus-node-exporter",
    "redis_exporter": "prometheus-redis-exporter",
    "nginx_exporter": "prometheus-nginx-exporter",
    "blackbox_exporter": "prometheus-blackbox-exporter",
}
OPTIONAL = ("promtool", "redis-server", "nginx", "chromium")
TIME_ERROR = 5  # what adjtimex returns when the clock is not synchronised


@dataclass(frozen=True)
class DoctorCheck(DoctorFinding):
    """One thing looked at. `optional`: it is missing, and the stack runs without it. `program`: one is not there."""

    state: Literal["ok", "missing", "optional"]
    fix: str = ""
    program: str = ""

    @property
    def ok(self) -> bool:
        return self.state != "missing"

    def __str__(self) -> str:
        return f"{self.line}\n{textwrap.indent(self.fix, ' ' * 10)}" if self.fix else self.line


def doctor(spec: Spec) -> list[DoctorCheck]:
    """Programs, versions, inputs, ports, the user's own Prometheus, disk and clock: what was found, and the fix."""
    return [
        _python(),
        *(_program(name) for name in _needed(spec)),
        *(_optional(_program(name)) for name in OPTIONAL),
        *_inputs(spec),
        *_sources(spec),
        *_ports(spec),
        *_prometheus(spec),
        *_delivery(spec),
        *_watcher(spec),
        _disk(Layout(spec.stack.state).state),
        *_state_folder(Layout(spec.stack.state).state),
        _clock(),
    ]


def told(checks: Sequence[DoctorCheck]) -> list[str]:
    """A line per check for people; how to get what is missing is shown once, for all programs together."""
    absent = [check.program for check in checks if check.program]
    lines = [check.line if check.program else str(check) for check in checks]
    return [*lines, f"To get what is missing,\n  {programs.how_to_get(*absent)}"] if absent else lines


def _needed(spec: Spec) -> list[str]:
    stores = [part for part in ("prometheus", "alertmanager") if part not in spec.stack.external]
    return [BINARIES[part] for part in [*stores, *exporters(spec)]]


def _python() -> DoctorCheck:
    is_recent = sys.version_info >= OLDEST_PYTHON
    fix = "" if is_recent else "install Python 3.11 or later, and run Bascule with it"
    return DoctorCheck("python", "ok" if is_recent else "missing", platform.python_version(), fix)


def _program(name: str) -> DoctorCheck:
    try:
        path = programs.find(name)
    except ProgramMissing as error:
        return DoctorCheck(name, "missing", error.what, error.fix, program=name)
    version = _version(path)
    tested = TESTED.get(name, (0,))
    if version and version < tested:
        wanted = ".".join(map(str, tested))
        return DoctorCheck(
            name, "optional", f"{_dotted(version)} at {path}", f"Bascule is tested with {wanted} or later"
        )
    return DoctorCheck(name, "ok", f"{_dotted(version)} at {path}")


def _optional(check: DoctorCheck) -> DoctorCheck:
    return check if check.ok else replace(check, state="optional")


def _version(program: Path) -> tuple[int, ...]:
    """The version a program tells; empty when it tells none."""
    for flag in ("-v",) if program.name == "nginx" else ("--version", "-version"):
        try:
            done = command.run([str(program), flag], _VERSION_SECONDS, env=programs.environment(program))
        except ProcessFailed:
            continue
        told = re.search(r"\b(\d+)\.(\d+)(?:\.(\d+))?", done.output + done.complaint)
        if told:
            return tuple(int(part) for part in told.groups() if part)
    return ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version)) or "of unknown version"


def _inputs(spec: Spec) -> Iterator[DoctorCheck]:
    try:
        check_inputs(spec)
    except UsageError as error:
        yield DoctorCheck("standard input", "missing", error.what, error.fix)


def _sources(spec: Spec) -> Iterator[DoctorCheck]:
    """Missing and empty log files, and formats that read none of their lines."""
    if spec.logs.sources:
        from bascule.logs import look_at_sources  # Arrow takes a moment to load

        for found in look_at_sources(spec):
            yield DoctorCheck(found.key, "optional", found.what, found.fix)


def _ports(spec: Spec) -> Iterator[DoctorCheck]:
    running = state.holder(Layout(spec.stack.state).state)
    if running is not None:
        yield DoctorCheck("ports", "ok", f"held by this stack, which runs (pid {running.pid}, since {running.began})")
        return
    for name, port in ports_of(spec).items():
        try:
            for host in spec.stack.listens(name):
                ports.check(host, port, name)
            yield DoctorCheck(f"port of {name}", "ok", f"{port} is free")
        except PortBusy as error:
            yield DoctorCheck(f"port of {name}", "missing", error.what, error.fix)


def _prometheus(spec: Spec) -> Iterator[DoctorCheck]:
    """Whether a Prometheus that runs does what the spec says, and has what its signals count."""
    if "prometheus" not in spec.stack.external and state.holder(Layout(spec.stack.state).state) is None:
        return
    url, prometheus = spec.stack.url("prometheus"), prometheus_of(spec)
    try:
        compared = compare(spec, prometheus)
    except BasculeError as error:
        yield DoctorCheck(f"prometheus at {url}", "missing", error.what, error.fix)
        return
    yield from (DoctorCheck(each.key, "missing", each.what, each.fix) for each in compared.differences)
    for finding in compared.signals:
        if finding.state == "error":
            yield DoctorCheck(finding.where, "missing", finding.why, "correct the selector; see docs/no-data.md")
        elif finding.state == "empty":
            yield DoctorCheck(finding.where, "optional", finding.why, "there is no data until such series exist")
    if compared.agrees:
        yield DoctorCheck(f"prometheus at {url}", "ok", "scrapes the services as the spec says")
    if "prometheus" in spec.stack.external:
        yield from _beside(spec, prometheus)


def _beside(spec: Spec, prometheus: Prometheus) -> Iterator[DoctorCheck]:
    """Jobs and rules that a user's own Prometheus lacks: without them it neither watches Bascule nor alerts."""
    try:
        lacking = generate.missing_jobs(spec, {target.job for target in prometheus.targets()})
        groups = {group["name"] for group in prometheus.rules()}
    except BasculeError as error:  # it was entered and asked before: a managed server may not tell these
        yield DoctorCheck("scrape jobs and rules", "optional", f"not known: {error.what}")
        return
    if jobs := [job for job in lacking if job in spec.role_jobs]:
        found = f"this Prometheus does not scrape {', '.join(jobs)}"
        fix = "add to its scrape_configs (`bascule merge` writes the whole file):\n" + "\n".join(
            lacking[job] for job in jobs
        )
        yield DoctorCheck("scrape jobs", "optional", found, fix)
    if not groups & set(RuleGroup):
        fix = f"add to its rule_files: {config_folder(spec) / 'prometheus' / 'rules' / '*.yml'}"
        yield DoctorCheck("rules", "optional", "this Prometheus has none of Bascule's rules", fix)


def _delivery(spec: Spec) -> Iterator[DoctorCheck]:
    """Whether a running journal takes what Alertmanager sends: no alert, with the credential that it reads."""
    layout = Layout(spec.stack.state)
    if state.holder(layout.state) is None:
        return
    file, url = layout.config / FOLDER / WEBHOOK, spec.stack.url("incidents")
    prove, fix = proof_wanted(spec, "incidents", url), "look at its log in the state folder"
    http = Http("the incidents role", url, seconds=5.0, fix=fix, prove=prove)
    try:
        token = {"Authorization": f"Bearer {read_token(file)}"}
        answer = http.ask("POST", "/api/webhook", json={"version": "4", "alerts": []}, headers=token)
    except BasculeError as error:
        yield DoctorCheck("alert delivery", "missing", error.what, error.fix)
        return
    finally:
        http.close()
    if answer.is_success:
        yield DoctorCheck("alert delivery", "ok", f"{url} accepts the credential that Alertmanager sends")
    else:
        what = f"{url} answered {answer.status} to the credential in {file}: no alert reaches the incident journal"
        yield DoctorCheck(
            "alert delivery", "missing", what, "stop the stack and start it again: `bascule up` writes it again"
        )


def _watcher(spec: Spec) -> Iterator[DoctorCheck]:
    """Whether somebody off this machine counts the dead man's switch, and when it last came through Alertmanager."""
    if why := lacks_watcher(spec):
        yield DoctorCheck("dead man's switch", "optional", why)
    running = state.holder(Layout(spec.stack.state).state)
    if running is None:
        return
    try:
        arrived = prometheus_of(spec).scalar(f"max({SWITCH_ARRIVED.name})")
    except BasculeError as error:
        yield DoctorCheck("dead man's switch", "missing", error.what, error.fix)
        return
    came = arrived if isinstance(arrived, float) else 0.0
    has_come = came > 0
    age = time.time() - (came if has_come else times.parse(running.since).timestamp())
    found = f"Alertmanager last sent it {times.lasting(age)} ago" if has_come else "Alertmanager has not sent it yet"
    if age <= SWITCH_SECONDS:
        yield DoctorCheck("dead man's switch", "ok", found)
        return
    fix = "it is sent each minute: look at Prometheus' /alerts, Alertmanager's log and the log of the incidents role"
    yield DoctorCheck("dead man's switch", "missing", found, fix)


def _disk(folder: Path) -> DoctorCheck:
    place = next(parent for parent in [folder, *folder.parents] if parent.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free below {place}"
    if free >= NEEDED_BYTES:
        return DoctorCheck("disk", "ok", found)
    return DoctorCheck(
        "disk", "missing", found, "free some space, or give stack.state in the spec a folder on another disk"
    )


def _state_folder(folder: Path) -> Iterator[DoctorCheck]:
    """The journal, the logs and the reports are the owner's alone; a folder made by hand, or before, may be open."""
    try:
        is_open = private.is_open_to_others(folder)
    except OSError:
        return
    if is_open:
        yield DoctorCheck("state folder", "optional", f"other users can enter {folder}", f"chmod 700 {folder}")
    else:
        yield DoctorCheck("state folder", "ok", f"only its owner can enter {folder}")


def _clock() -> DoctorCheck:
    """Whether the kernel's clock is kept by a time server (Linux only)."""
    if sys.platform != "linux":
        return DoctorCheck("clock", "ok", "not checked on this system")
    nothing_to_set = ctypes.create_string_buffer(512)  # struct timex, all zero: only read
    if ctypes.CDLL(None).ntp_adjtime(nothing_to_set) != TIME_ERROR:
        return DoctorCheck("clock", "ok", "synchronised")
    fix = "times of several hosts will not agree; on Debian: sudo apt-get install systemd-timesyncd"
    return DoctorCheck("clock", "optional", "not synchronised with a time server", fix)
