"""Fault to delivered alert on the real stack, beside the source document's rules in a second Prometheus.

The fault (V2's errors 0.02 -> 12 %, half of the traffic on V2, 40 requests/s) is put in ten times, its moment spread
evenly over the scrape's phase. Delivery is when Alertmanager's notification reached the receiver. The second Prometheus
scrapes the same services every 15 s and runs the source document's rules twice: as written, and with labels corrected.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from bascule.processes import ports, programs
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.scenarios.house import House, standing
from bench.harness import Bar, Result

RUNS = 10
ERROR_RATE = 0.12
BASELINE_SECONDS = 60.0
LONG_FAULT_SECONDS = 200.0  # long enough for the corrected rules: rate[5m], for 1m, 15 s
SOURCE = Path("tests/fixtures/source-document")
DETECTING = ("CandidateWorse", "V2ErrorSpike")


@dataclass(frozen=True)
class Run:
    """One fault: seconds into the scrape interval, and from the fault to the delivered alert."""

    scrape_phase: float
    alert: str
    seconds: float


def run() -> Result:
    with (
        tempfile.TemporaryDirectory(prefix="bascule-detection-") as folder,
        standing(Path(folder), print, threading.Event()) as house,
        literal_prometheus(house, Path(folder)) as second,
    ):
        house.set_phase(0, "baseline")
        house.wait(BASELINE_SECONDS)
        house.set_phase(3, "measuring at 50 %")
        house.wait(30)
        before = house.incidents()
        runs = [_one(house, number) for number in range(RUNS)]
        rules = _long_fault(house, second)
    seconds = [r.seconds for r in runs]
    return Result(
        [
            Bar("alerts before the first fault", len(before), "alerts", 0),
            Bar("fault to delivered alert, median", statistics.median(seconds), "s", 15),
            Bar("fault to delivered alert, slowest", max(seconds), "s", 30),
        ],
        {"runs": [asdict(r) for r in runs], "source document": rules},
    )


def _one(house: House, number: int) -> Run:
    """Put the fault in, wait for its alert, mend, wait until all is quiet."""
    interval = house.spec.stack.scrape.interval
    phase = (number + 0.5) / RUNS * interval
    _wait_for_phase(house, phase)
    fault = house.lab.fault(house.spec.versions.candidate, error_rate=ERROR_RATE)
    incident = house.wait_for("an alert for the fault", lambda: _delivered(house, fault), 60)
    house.lab.mend(house.spec.versions.candidate)
    run = Run(round(phase, 3), incident["alert"], round(incident["received"] - fault, 3))
    print(
        f"  run {number + 1}: {run.alert} after {run.seconds:.1f} s (scrape phase {run.scrape_phase:.2f} s)", flush=True
    )
    house.wait_for("recovery", lambda: not house.open_incidents(), 180)
    return run


def _wait_for_phase(house: House, phase: float) -> None:
    """Until `phase` seconds after a scrape of the candidate."""
    interval = house.spec.stack.scrape.interval
    job = next(name for name, s in house.spec.services.items() if s.version == house.spec.versions.candidate)
    scrape = house.prometheus.raw(f'up{{job="{job}"}}', 5)[0].times[-1]
    house.wait((scrape + phase - time.time()) % interval)


def _delivered(house: House, since: float) -> dict[str, Any] | None:
    known = [i for i in house.incidents() if i["alert"] in DETECTING and i["received"] >= since]
    return min(known, key=lambda incident: float(incident["received"]), default=None)


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
    house.lab.mend(house.spec.versions.candidate)
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
