"""A whole migration in a few minutes: V2 is let in step by step, breaks, is caught and sent back.

1. baseline     all traffic on V1, so that there is a history to weigh against
2. steps        10, 25, 50 % on V2 by the plan, on a compressed clock
3. fault        V2's errors go from 0.02 % to 12 %
4. detection    the alert reaches its receiver, the verdict turns to roll back
5. rollback     the share returns to 0, the alert resolves
6. report       the SLA report, the figures and pictures of the console
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from bascule import sla, stack, times
from bascule.api.models.journal import IncidentAnswer
from bascule.api.models.verdict import VerdictAnswer
from bascule.console import screenshots
from bascule.conventions import SEGMENT, SIGNAL_LOG_EVIDENCE, Alert, EntryKind, Verdict
from bascule.errors import AlreadyRunning, StoreError, UsageError
from bascule.scenarios.house import SPEC, House, NotSeen, standing
from bascule.scenarios.receiver import HeardNotice, listening
from bascule.spec import VARIABLE
from bascule.stack import state

BASELINE_SECONDS = 45.0
STEP_SECONDS = 20.0
FAULT_STEP = 3  # the phase in which V2 breaks: 50 %
ERROR_RATE = 0.12
MARK = ".made-by-the-demo"
DETECTING = (Alert.CANDIDATE_WORSE, Alert.V2_ERROR_SPIKE)


@dataclass
class Summary:
    """What the demo found; times are Unix seconds."""

    alerts_before_fault: list[str] = field(default_factory=list)
    fault_at: float | None = None
    first_evidence_at: float | None = None
    delivered_at: float | None = None
    delivered_alert: str = ""
    rolled_back_at: float | None = None
    resolved_at: float | None = None
    detection_seconds: float | None = None
    reasons: list[str] = field(default_factory=list)
    report: str = ""

    @property
    def succeeded(self) -> bool:
        return self.detection_seconds is not None and not self.alerts_before_fault and bool(self.report)


class Teller:
    """Prints what happens, with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.start = time.monotonic()

    def __call__(self, text: str) -> None:
        self.console.print(f"[dim]{time.monotonic() - self.start:6.1f} s[/]  {text}", highlight=False)


def run(out: Path, console: Console, stop: threading.Event, keep: bool = False) -> Summary:
    """Play the demo; writes `summary.json`, `sla-report.html` and pictures below `out`."""
    tell = Teller(console)
    summary = Summary()
    with fresh(out.absolute()) as folder, listening() as on_call, standing(folder, tell, stop, told=on_call) as house:
        started = time.time()
        try:
            _migrate(house, tell, summary, out)
        except NotSeen as missing:
            tell(f"[red]{missing.what}[/]")
        summary.report = str(_report(house, started, out))
        tell(f"SLA report: {summary.report}")
        (out / "summary.json").write_text(json.dumps(asdict(summary), indent=2) + "\n")
        console.print(table(summary))
        if keep:
            tell(f"left running; console at {stack.console_address(house.spec)}; Ctrl-C ends it")
            console.print(for_commands(folder / SPEC), markup=False, highlight=False, soft_wrap=True)
            stop.wait()
    return summary


def for_commands(spec: Path) -> str:
    """What to type in another terminal, so that every command works on the demo."""
    export = f"  export {VARIABLE}={shlex.quote(str(spec))}"
    return "\n".join(["In another terminal, for every command:", *_activating(), export])


def _activating() -> list[str]:
    """Where `bascule` is in an environment that the shell does not know, as after `make demo`."""
    activate = Path(sys.prefix) / "bin" / "activate"
    return [f"  . {shlex.quote(str(activate))}"] if shutil.which("bascule") is None and activate.exists() else []


@contextmanager
def fresh(out: Path) -> Iterator[Path]:
    """The empty folder `run` below `out`, for one demo at a time: a demo starts without a history.

    Raises UsageError for a folder that cannot be written, or a `run` that no demo made: it is not ours to remove.
    """
    with _held(out):
        run = out / "run"
        if run.exists() and not (run / MARK).exists():
            raise UsageError(
                f"{run} was not made by a demo, so it is not overwritten", "remove it yourself, or give another --out"
            )
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        (run / MARK).write_text("This folder is removed by the next demo.\n")
        yield run


@contextmanager
def _held(out: Path) -> Iterator[None]:
    with ExitStack() as lock:
        try:
            lock.enter_context(state.held(out, "the demo"))
        except AlreadyRunning as error:
            raise AlreadyRunning(f"another demo writes to {out}", "stop it, or give another --out") from error
        except StoreError as error:
            raise UsageError(error.what, "give another --out") from error
        yield


def _migrate(house: House, tell: Teller, summary: Summary, out: Path) -> None:
    tell(f"baseline: all traffic on V1 for {BASELINE_SECONDS:g} s")
    house.set_phase(0, "baseline")
    house.wait(BASELINE_SECONDS)
    for number in range(1, FAULT_STEP + 1):
        _step(house, tell, number)
    _picture(house, out / "console-healthy.png")
    summary.alerts_before_fault = [incident.alert for incident in house.incidents()]
    _break_and_catch(house, tell, summary)
    with ThreadPoolExecutor(1) as beside:  # the rollback does not wait for the photographer
        picture = beside.submit(_picture, house, out / "console-alarm.png")
        _roll_back(house, tell, summary)
        picture.result()


def _step(house: House, tell: Teller, number: int) -> None:
    share = house.spec.phases[number - 1].share
    house.promote("the demo's clock is too short for every gate")
    tell(f"phase {number}: [bold]{share:.0%}[/] to V2")
    house.wait(STEP_SECONDS)
    answer = house.verdict()
    tell(f"  verdict [bold]{answer.verdict.words}[/]: {_first(answer)}")


def _first(answer: VerdictAnswer) -> str:
    return answer.reasons[0] if answer.reasons else ""


def _break_and_catch(house: House, tell: Teller, summary: Summary) -> None:
    fault = summary.fault_at = house.lab.fault(house.spec.versions.candidate, error_rate=ERROR_RATE)
    house.annotate(EntryKind.FAULT, f"V2 error rate set to {ERROR_RATE:.0%}")
    tell(f"[red]fault[/]: V2's errors go from 0.02 % to {ERROR_RATE:.0%}")
    incident = house.wait_for("an alert for the fault", lambda: _caught(house, fault), 60)
    summary.delivered_at = incident.received.timestamp()
    summary.delivered_alert = incident.alert
    summary.detection_seconds = round(summary.delivered_at - fault, 3)
    summary.first_evidence_at = _first_evidence(house, incident, fault)
    tell(f"[red]alert[/] {incident.alert} delivered after [bold]{summary.detection_seconds:.1f} s[/]")
    notice = house.wait_for("the notice to on-call", lambda: _told(house, fault), 30)
    tell(f"on-call was told after {notice.at - fault:.1f} s: {notice.subject}")


def _caught(house: House, since: float) -> IncidentAnswer | None:
    """The first incident of the fault that reached the receiver, if any yet."""
    known = [i for i in house.incidents() if i.alert in DETECTING and i.received.timestamp() >= since]
    return min(known, key=lambda incident: incident.received, default=None)


def _told(house: House, since: float) -> HeardNotice | None:
    return next(iter(house.person.firing(since)), None) if house.person else None


def _first_evidence(house: House, incident: IncidentAnswer, fault: float) -> float | None:
    """When the alarmed signal's evidence first rose above all it had been in the step before the fault."""
    labels = incident.labels
    if "signal" not in labels:
        return None
    selector = f'{SIGNAL_LOG_EVIDENCE.name}{{signal="{labels["signal"]}",{SEGMENT}="{labels.get(SEGMENT, "")}"}}'
    series = house.prometheus.raw(selector, time.time() - fault + STEP_SECONDS / 2)
    if not series:
        return None
    times, values = series[0].times, series[0].values
    before = values[times <= fault]
    rising = times[(times > fault) & (values > (before.max() if before.size else 0.0))]
    return float(np.min(rising)) if rising.size else None


def _roll_back(house: House, tell: Teller, summary: Summary) -> None:
    answer = house.wait_for("the verdict roll back", lambda: _says(house, Verdict.ROLL_BACK), 30)
    summary.reasons = answer.reasons
    tell(f"  verdict [bold red]roll back[/]: {_first(answer)}")
    summary.rolled_back_at = house.roll_back(f"verdict: {_first(answer)}")
    tell("share returned to 0 %: all traffic on V1")
    house.wait_for("the alert's end", lambda: not house.open_incidents(), 120)
    summary.resolved_at = max(i.resolved.timestamp() for i in house.incidents() if i.resolved)
    tell(f"[green]resolved[/] {summary.resolved_at - summary.rolled_back_at:.1f} s after the rollback")


def _says(house: House, verdict: Verdict) -> VerdictAnswer | None:
    answer = house.verdict()
    return answer if answer.verdict == verdict else None


def _report(house: House, started: float, out: Path) -> Path:
    report = sla.evaluate(house.spec, house.prometheus, started, time.time())
    (out / "sla-report.json").write_text(sla.render_json(report), "utf-8")
    path = out / "sla-report.html"
    path.write_text(sla.render_html(report), "utf-8")
    return path


def _picture(house: House, path: Path) -> None:
    """A picture of the console, where Chromium is on the machine."""
    if screenshots.available():
        screenshots.take(house.spec.stack.url("console"), path)


def table(summary: Summary) -> Table:
    """Fault injected, first evidence, alert delivered, seconds between, resolved."""
    result = Table(title="What was found", title_justify="left", box=box.SIMPLE_HEAD)
    for column, style in (("event", ""), ("UTC", "dim"), ("after the fault", "bold")):
        result.add_column(column, style=style)
    for text, moment in (
        ("fault injected (V2 errors 0.02 % → 12 %)", summary.fault_at),
        ("first evidence", summary.first_evidence_at),
        (f"alert delivered ({summary.delivered_alert})", summary.delivered_at),
        ("share back to 0 %", summary.rolled_back_at),
        ("alert resolved", summary.resolved_at),
    ):
        result.add_row(text, *_moment(moment, summary.fault_at))
    return result


def _moment(moment: float | None, fault: float | None) -> tuple[str, str]:
    if moment is None or fault is None:
        return "not seen", ""
    return f"{times.moment(moment):%H:%M:%S}.{int(moment % 1 * 1000):03d}", f"{moment - fault:+.1f} s"


__all__ = ["NotSeen", "Summary", "fresh", "run", "table"]
