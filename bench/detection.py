"""Fault to delivered alert on the real stack, in parts; each keeps its bars in bench-output until it is measured again.

    make bench NAME=detection                               the first part, about 25 min
    BASCULE_BENCH=errors,latency make bench NAME=detection  others, or full: all (about 5 h)
    BASCULE_BENCH=healthy:2 make bench NAME=detection       a part with 2 instead of its 60 minutes (or runs): a trial

    source   ten error faults (V2 0.02 -> 12 %), and the source document's rules beside them in a second Prometheus
    errors   thirty error faults
    latency  ten faults of V2's p95 latency, three times as long
    healthy  60 minutes without a fault
    alike    60 minutes of identical versions

Half of the traffic is on V2, 40 requests/s, after 10 minutes of V1 alone where the faults are errors. Faults are spread
evenly over the scrape's phase, and each is independent of those before: it waits until no comparison has evidence left
of them (`left`: how much there was when it began). Delivery is when Alertmanager's notification reached the receiver.
The second Prometheus scrapes the same services every 15 s and runs the source document's rules twice: as written, and
with labels corrected.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from bascule import conventions as names
from bascule.api.models.journal import IncidentAnswer
from bascule.errors import UsageError
from bascule.processes import ports, programs
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.scenarios.house import FORGOTTEN, House, standing
from bench import harness
from bench.harness import Bar, Result

ERROR_RATE = 0.12
SLOWER = 3.0
BASELINE_SECONDS = 60.0
LEARNT_SECONDS = 600.0  # of V1 alone before error faults: by then its few errors have shown that they come one by one
SETTLE_SECONDS = 30.0
FORGOTTEN_SECONDS = 90.0  # for which a fault waits at most until those before it have left no evidence
LONG_FAULT_SECONDS = 200.0  # long enough for the corrected rules: rate[5m], for 1m, 15 s
SOURCE = Path("tests/fixtures/source-document")
ERROR_ALERTS = ("CandidateWorse", "V2ErrorSpike")
LATENCY_ALERTS = ("CandidateWorse", "ResponseTimeHigh")
NO_ALARM = ("none", "gate")  # severities that do not page: a dead man's switch, and what holds a promotion


@dataclass(frozen=True)
class Run:
    """One fault: seconds into the scrape interval, and from the fault to the delivered alert.

    `beside`: other alarms that still fired when the fault's own had ended; many faults use up an SLA's budget, truly.
    `left`: the most evidence (a natural logarithm) that any comparison had when the fault began.
    """

    scrape_phase: float
    alert: str
    seconds: float
    beside: list[str]
    left: float


@dataclass(frozen=True)
class Part:
    """What is measured on a house of its own; `size`: runs or minutes."""

    measure: Callable[[Path, int], Result]
    size: int


def run() -> Result:
    """Measure the wanted parts; what was measured of others is kept beside them, with its commit."""
    known = _measured()
    for name, size in wanted(os.environ.get("BASCULE_BENCH", "")).items():
        print(f"-- {name}, {size}", flush=True)
        with tempfile.TemporaryDirectory(prefix="bascule-detection-") as folder:
            result = PARTS[name].measure(Path(folder), size)
        label = name if size == PARTS[name].size else f"{name}:{size}"
        known[label] = {"commit": harness.commit(), "bars": [asdict(bar) for bar in result.bars], "raw": result.raw}
        harness.write("detection", _together(known))
    return _together(known)


def wanted(text: str) -> dict[str, int]:
    """The parts and their sizes of `errors,healthy:2`; `full` is all of them, `short` or nothing the first."""
    meant = {"": "source", "short": "source", "quick": "source:2", "full": ",".join(PARTS)}.get(text, text)
    found = {}
    for each in meant.split(","):
        name, _, size = each.strip().partition(":")
        if name not in PARTS or not (size.isdigit() or not size):
            raise UsageError(f"BASCULE_BENCH={text}: {each!r} is not a part", f"parts are: {', '.join(PARTS)}")
        found[name] = int(size) if size else PARTS[name].size
    return found


def _measured() -> dict[str, Any]:
    """What earlier runs measured in full; trials are forgotten."""
    path = harness.OUTPUT / "detection.json"
    raw = json.loads(path.read_text())["raw"] if path.exists() else {}
    return {name: part for name, part in raw.items() if name in PARTS and "bars" in part}


def _together(parts: Mapping[str, Any]) -> Result:
    bars = [
        Bar(**{**bar, "name": f"{name}: {bar['name']} (at {part['commit']})"})
        for name, part in parts.items()
        for bar in part["bars"]
    ]
    return Result(bars, dict(parts))


# ---------------------------------------------------------------- parts


def _source(folder: Path, runs: int) -> Result:
    with at_half(folder, baseline=LEARNT_SECONDS) as house, literal_prometheus(house, folder) as second:
        before = house.incidents()
        found = _faults(house, runs, ERROR_ALERTS, error_rate=ERROR_RATE)
        rules = _long_fault(house, second)
    bars = [
        Bar("alerts before the first fault", len(before), "alerts", 0),
        Bar("error fault to delivered alert, median", _median(found), "s", 15),
        Bar("error fault to delivered alert, slowest", _slowest(found), "s", 30),
        _independence(found),
    ]
    return Result(bars, {"runs": [asdict(r) for r in found], "source document": rules})


def _errors(folder: Path, runs: int) -> Result:
    with at_half(folder, baseline=LEARNT_SECONDS) as house:
        before = house.incidents()
        found = _faults(house, runs, ERROR_ALERTS, error_rate=ERROR_RATE)
    bars = [
        Bar("alerts before the first fault", len(before), "alerts", 0),
        Bar(f"error fault to delivered alert, median of {runs}", _median(found), "s", 12),
        Bar(f"error fault to delivered alert, slowest of {runs}", _slowest(found), "s", 20),
        _independence(found),
    ]
    return Result(bars, {"runs": [asdict(r) for r in found]})


def _latency(folder: Path, runs: int) -> Result:
    with at_half(folder) as house:
        before = house.incidents()
        found = _faults(house, runs, LATENCY_ALERTS, latency_factor=SLOWER)
    bars = [
        Bar("alerts before the first fault", len(before), "alerts", 0),
        Bar(f"p95 latency x{SLOWER:g} to delivered alert, median of {runs}", _median(found), "s", 15),
        Bar(f"p95 latency x{SLOWER:g} to delivered alert, slowest of {runs}", _slowest(found), "s", None),
    ]
    return Result(bars, {"runs": [asdict(r) for r in found]})


def _quiet(profile: str, what: str) -> Callable[[Path, int], Result]:
    """Minutes without a fault, in which no alarm is due."""

    def measure(folder: Path, minutes: int) -> Result:
        with at_half(folder, profile) as house:
            begun = time.time()
            house.wait(60.0 * minutes)
            incidents = house.incidents()
            looks = house.prometheus.scalar(f"sum(changes({names.JUDGE_TICK.name}[{minutes}m]))")
        alarms = [each for each in incidents if each.severity not in NO_ALARM]
        bars = [
            Bar(f"alarms in {minutes} minutes, {what}", len(alarms), "alarms", 0),
            Bar("looks of the judge in a minute", float(looks or 0) / minutes, "looks", 50, "at_least"),
        ]
        return Result(bars, {"begun": begun, "delivered": [each.model_dump(mode="json") for each in incidents]})

    return measure


PARTS = {
    "source": Part(_source, 10),
    "errors": Part(_errors, 30),
    "latency": Part(_latency, 10),
    "healthy": Part(_quiet("healthy", "healthy"), 60),
    "alike": Part(_quiet("aa", "identical versions"), 60),
}


@contextmanager
def at_half(folder: Path, profile: str = "healthy", baseline: float = BASELINE_SECONDS) -> Iterator[House]:
    """A house that has served the baseline for so many seconds, and half of its traffic on the candidate for a
    while."""
    with standing(folder, print, threading.Event(), profile=profile) as house:
        house.set_phase(0, "baseline")
        house.wait(baseline)
        house.set_phase(3, "measuring at 50 %")
        house.wait(SETTLE_SECONDS)
        yield house


def _median(runs: list[Run]) -> float:
    return statistics.median(each.seconds for each in runs)


def _independence(runs: list[Run]) -> Bar:
    left = max(each.left for each in runs)
    return Bar("evidence in any comparison when a fault began, at most", left, "", FORGOTTEN)


def _slowest(runs: list[Run]) -> float:
    return max(each.seconds for each in runs)


# ---------------------------------------------------------------- faults


def _faults(house: House, runs: int, alerts: tuple[str, ...], **fault: float) -> list[Run]:
    return [_one(house, (number + 0.5) / runs, alerts, fault) for number in range(runs)]


def _one(house: House, place: float, alerts: tuple[str, ...], changes: Mapping[str, float]) -> Run:
    """Put the fault in at a place (0 to 1) of the scrape interval, wait for its alert, take it out, wait for the
    alert's end."""
    left = house.forget(FORGOTTEN_SECONDS)
    phase = place * house.spec.stack.scrape.interval
    _wait_for_phase(house, phase)
    fault = house.lab.fault(house.spec.versions.candidate, **changes)
    incident = house.wait_for("an alert for the fault", lambda: _delivered(house, fault, alerts), 60)
    house.lab.repair(house.spec.versions.candidate)
    seconds = round(incident.received.timestamp() - fault, 3)
    print(f"  {incident.alert} after {seconds:.1f} s (scrape phase {phase:.2f} s)", flush=True)
    house.wait_for(f"the end of {' and '.join(alerts)}", lambda: not _open_alarms(house).intersection(alerts), 300)
    return Run(round(phase, 3), incident.alert, seconds, sorted(_open_alarms(house)), round(left, 2))


def _open_alarms(house: House) -> set[str]:
    return {each.alert for each in house.open_incidents() if each.severity not in NO_ALARM}


def _wait_for_phase(house: House, phase: float) -> None:
    """Until `phase` seconds after a scrape of the candidate."""
    interval = house.spec.stack.scrape.interval
    job = next(name for name, s in house.spec.services.items() if s.version == house.spec.versions.candidate)
    scrape = house.prometheus.raw(f'up{{job="{job}"}}', 5)[0].times[-1]
    house.wait((scrape + phase - time.time()) % interval)


def _delivered(house: House, since: float, alerts: tuple[str, ...]) -> IncidentAnswer | None:
    known = [i for i in house.incidents() if i.alert in alerts and i.received.timestamp() >= since]
    return min(known, key=lambda incident: incident.received, default=None)


def _long_fault(house: House, second: Prometheus) -> list[dict[str, Any]]:
    """One fault that stays, and when each of the source document's alerts fired, or why it could not."""
    fault = house.lab.fault(house.spec.versions.candidate, error_rate=ERROR_RATE)
    deadline, fired = time.time() + LONG_FAULT_SECONDS, {}
    while time.time() < deadline:
        for alert in second.alerts():
            key = (alert.labels.get("form", ""), alert.name)
            if alert.state == "firing" and key not in fired:
                fired[key] = round(time.time() - fault, 1)
        house.wait(1)
    house.lab.repair(house.spec.versions.candidate)
    return [
        _told(second, group, rule, fired) for group in second.rules() for rule in group["rules"] if "alerts" in rule
    ]


def _told(second: Prometheus, group: dict[str, Any], rule: dict[str, Any], fired: dict[Any, float]) -> dict[str, Any]:
    form = rule["labels"].get("form", "")
    seconds = fired.get((form, rule["name"]))
    why = (
        ""
        if seconds is not None
        else ("its expression is empty" if not second.instant(rule["query"]) else "not held long enough")
    )
    return {"form": form, "alert": rule["name"], "fired after s": seconds, "why not": why, "query": rule["query"]}


@contextmanager
def literal_prometheus(house: House, folder: Path) -> Iterator[Prometheus]:
    """A second Prometheus on the same services, at 15 s, with the source document's rules in two forms."""
    port = ports.free()
    config = folder / "second.yml"
    rules = [_labelled(path, form, folder) for path, form in FORMS]
    config.write_text(yaml.safe_dump(_configuration(house, rules)))
    argv = [
        str(programs.find("prometheus")),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'second'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    client = Prometheus(f"http://127.0.0.1:{port}")
    with Supervisor() as supervisor:
        supervisor.start(Program("second-prometheus", argv, ready=client.is_ready))
        yield client


FORMS = (
    (SOURCE / "prometheus-rules.yml", "as written"),
    (SOURCE / "alerts.yml", "as written"),
    (Path("bench/fixtures/corrected.yml"), "labels corrected"),
)


def _labelled(path: Path, form: str, folder: Path) -> str:
    """The same rules with a label that says which form they are."""
    document = yaml.safe_load(path.read_text())
    for group in document["groups"]:
        group["name"] = f"{group['name']} ({form})"
        for rule in group["rules"]:
            if "alert" in rule:
                rule.setdefault("labels", {})["form"] = form
    target = folder / f"second-{path.name}"
    target.write_text(yaml.safe_dump(document))
    return str(target)


def _configuration(house: House, rules: list[str]) -> dict[str, Any]:
    jobs = [
        {"job_name": name, "static_configs": [{"targets": service.targets}]}
        for name, service in house.spec.services_of("application").items()
    ]
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": rules,
        "scrape_configs": jobs,
    }
