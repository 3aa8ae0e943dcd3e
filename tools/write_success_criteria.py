"""Writes docs/success-criteria.md from what was measured on this machine: coverage, drill-output/, bench-output/.

python tools/write_success_criteria.py

A figure that nobody measured here says so, with the command that measures it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule import times
from bascule.checklist import ChecklistPhase, items_of
from bascule.coverage import Place, coverage, share_covered
from bascule.scenarios.drills.fault import FaultClass
from bascule.scenarios.measured import commit, machine
from bascule.spec import load

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "success-criteria.md"

HEAD = """# Success criteria

The four criteria of the source document, with what was measured. Written by `tools/write_success_criteria.py` from the
output of the commands named; a figure that was not measured says so.

*False positive alerting rate*: alerts that call people (critical, warning) without an injected or a natural cause, per
healthy hour, and per alert of the drills.

*Checked by*: `real part`, the program itself answered (Prometheus, Alertmanager, nginx, Redis, a webhook); `stand-in`,
another program in its place; `schema only`, the file was checked against its schema, and the program never loaded it.
"""

LIMITS = """
## Never loaded in the real program

Grafana, Logstash and Elasticsearch are not on the machines where this is built.

| what | checked by |
|---|---|
| every query of every panel, on a running Prometheus (`bascule checklist`, item `dashboards`) | real part |
| Grafana's dashboards and provisioning | schema only |
| Logstash's pipeline (a twin of its filters in Ruby, and a grok library) | stand-in |
| Elasticsearch's templates and queries (osmem-server) | stand-in |
"""


@dataclass(frozen=True)
class Figure:
    """A row: what was measured, the value or None, the command that repeats it, and what answered."""

    criterion: str
    what: str
    value: str | None
    command: str
    checked_by: str
    measured_at: str = ""


def figures() -> Iterator[Figure]:
    yield from _visibility()
    drills = _read(ROOT / "drill-output" / "drills.json")
    yield from _responsiveness(drills)
    yield from _accuracy(drills)
    yield from _side_by_side()


def _visibility() -> Iterator[Figure]:
    found = coverage(load("supersmartmatch"))
    applying = [each for each in found if each.applies]
    told = f"{share_covered(found):.1%} ({sum(each.is_covered for each in applying)} of {len(applying)} metrics)"
    command = "bascule coverage supersmartmatch"
    yield Figure("Visibility: 100 %", "metrics covered", told, command, "generated files, read back", commit())


def _responsiveness(drills: dict[str, Any]) -> Iterator[Figure]:
    name, where = "Responsiveness: < 30 s", f"{drills.get('commit', '')}"
    for kind in (FaultClass.HARD, FaultClass.STATISTICAL, FaultClass.TIMED):
        faults = [each for each in drills.get("drills", []) if each["class"] == kind and each["runs"]]
        seconds = [run["delivered"] for each in faults for run in each["runs"] if run["delivered"] is not None]
        runs = sum(len(each["runs"]) for each in faults)
        kept = sum(not each["failures"] for each in faults)
        told = f"{len(seconds)} of {runs} delivered, the slowest after {max(seconds):.1f} s" if seconds else None
        told = told and f"{told}; {kept} of {len(faults)} faults within what they declare"
        yield Figure(name, f"{kind} faults ({len(faults)})", told, "make drill", "real part", where)


def _accuracy(drills: dict[str, Any]) -> Iterator[Figure]:
    name = "Accuracy: < 1 % false positives"
    faults = drills.get("drills", [])
    runs = [run for each in faults for run in each["runs"]]
    false = sum(len(run["unexpected"]) for run in runs)
    right = sum(len(run["expected"]) for run in runs)
    told = f"{false} of {false + right} alerts were unexpected" if runs else None
    yield Figure(name, "alerts of the drills", told, "make drill", "real part", str(drills.get("commit", "")))
    parts = _read(ROOT / "bench-output" / "detection.json").get("raw", {})
    for part, what in (("healthy", "60 healthy minutes"), ("alike", "60 minutes of identical versions")):
        measured = parts.get(part, {})
        bars = [bar for bar in measured.get("bars", []) if bar["name"].startswith("alarms in ")]
        alarms = f"{bars[0]['value']:g} alarms" if bars else None
        command = f"BASCULE_BENCH={part} make bench NAME=detection"
        yield Figure(name, what, alarms, command, "real part", str(measured.get("commit", "")))
    yield _simulated(name)


def _simulated(name: str) -> Figure:
    """Alerts that fired in simulated hours, by name."""
    measured = _read(ROOT / "bench-output" / "healthy_rules.json")
    raw = measured.get("raw", {})
    fired = ", ".join(f"{alert} {count}" for alert, count in sorted(raw.get("fired", {}).items()))
    told = f"{fired or '0 alerts'} in {raw['hours']:g} hours" if raw else None
    command, where = "make bench NAME=healthy_rules", str(measured.get("commit", ""))
    return Figure(name, "every rule over simulated healthy hours (300 asked)", told, command, "promtool", where)


def _side_by_side() -> Iterator[Figure]:
    spec = load("supersmartmatch")
    compared = [name for name, signal in spec.signals.items() if signal.counters]
    told = f"{len(compared)} of {len(spec.signals)} signals, in {len(spec.segments.named)} segments and mix-adjusted"
    name = "Coverage: 360° view of V1 and V2"
    yield Figure(name, "signals compared each second", told, "bascule compare SPEC", "real part", commit())
    both = sum(bool(each.places[Place.SHOWN]) for each in coverage(spec) if each.applies)
    yield Figure(name, "metrics on a dashboard", f"{both}", "bascule coverage supersmartmatch", "schema only", commit())


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _table(rows: list[Figure]) -> Iterator[str]:
    yield "| criterion | what | measured | commit | command | checked by |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        value = row.value or "not measured on this machine"
        yield f"| {row.criterion} | {row.what} | {value} | {row.measured_at} | `{row.command}` | {row.checked_by} |"


def _drills() -> Iterator[str]:
    table = ROOT / "drill-output" / "drills.md"
    if table.exists():
        yield from ("", "## Drills", "", table.read_text("utf-8").rstrip())


def page() -> str:
    here = machine()
    about = f"Machine: {here['processor']}, {here['cores']} cores, Python {here['python']}. {times.dated(time.time())}."
    number = sum(len(items_of(phase)) for phase in ChecklistPhase)
    checklist = (
        f"The checklist's {number} items are checked by `bascule checklist SPEC --phase PHASE`, on a running stack."
    )
    return "\n".join([HEAD, about, "", *_table(list(figures())), "", checklist, *_drills(), LIMITS])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
