"""What the drills found: a table, JSON with the machine and the commit, and what each was held to."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from bascule import __version__, times
from bascule.conventions import Verdict
from bascule.scenarios.drills.fault import FaultClass
from bascule.scenarios.drills.picture import picture
from bascule.scenarios.drills.several import Tried, seconds
from bascule.scenarios.measured import commit, machine
from bascule.visible import in_markdown

FILE = "drills.json"
COLUMNS = (
    *("fault", "class", "bound", "evidence", "alert", "delivered", "by", "verdict", "end"),
    *("source document's rules", "result"),
)
MOST_NAMED = 2  # faults in a cell; all are in the document
COMMIT = commit()  # as the code was loaded: the work tree may change while the drills run


def table(tried: Sequence[Tried]) -> Table:
    """A row for each fault: medians, and of the hard ones the slowest run."""
    result = Table(title="Drills", title_justify="left", box=box.SIMPLE_HEAD)
    for column in COLUMNS:
        result.add_column(column, overflow="fold")
    for each in tried:
        result.add_row(*_row(each).values())
    return result


def _row(each: Tried) -> dict[str, str]:
    failures = each.failures
    return {
        "fault": each.fault.key,
        "class": each.fault.kind,
        "bound": _bound(each),
        "evidence": _median(each, "evidence"),
        "alert": _median(each, "alert"),
        "delivered": f"{seconds(each.median)}{f' (worst {seconds(each.slowest)})' if len(each.runs) > 1 else ''}",
        "by": ", ".join(sorted({run.delivered_alert for run in each.runs} - {""})),
        "verdict": _verdict(each),
        "end": "stays" if each.fault.stays else _median(each, "ended"),
        "source document's rules": _theirs(each),
        "result": f"skipped: {each.skipped}" if each.skipped else "; ".join(failures) or "passes",
    }


def _verdict(each: Tried) -> str:
    """When it turned, and to what; of one that an earlier fault had turned already, that alone."""
    turned = sorted({Verdict(run.verdict_said).words for run in each.runs if run.verdict_said})
    told = [f"{_median(each, 'verdict')} {' '.join(turned)}"] if turned else []
    told += sorted({f"already {Verdict(run.already).words}" for run in each.runs if run.already})
    return "; ".join(told) or "-"


def _bound(each: Tried) -> str:
    """What it is held to; with the information bound where one is known."""
    if each.fault.kind is FaultClass.QUIET:
        return "no alarm"
    told = f" (information: {seconds(each.information)})" if each.information is not None else ""
    return seconds(each.bound) + told


def _theirs(each: Tried) -> str:
    """Which of their alerts fired while the fault was in, the soonest of each; they do not say which fault it was."""
    soonest: dict[str, float] = {}
    for run in each.runs:
        for name, at in run.source.items():
            soonest[name] = min(at, soonest.get(name, at))
    longest = max((run.removed or 0.0 for run in each.runs), default=0.0)
    told = "; ".join(f"{name} {seconds(at)}" for name, at in soonest.items())
    others = sorted({other for run in each.runs for other in run.beside})
    named = ", ".join(others) if len(others) <= MOST_NAMED else f"{len(others)} other faults"
    beside = f" (beside {named})" if others else ""
    return (told or (f"none in {longest:.0f} s" if each.runs else "-")) + beside


def _median(each: Tried, name: str) -> str:
    values = [value for run in each.runs if (value := getattr(run, name)) is not None]
    return seconds(statistics.median(values) if values else None)


def markdown(tried: Sequence[Tried]) -> str:
    rows = [_row(each) for each in tried]
    if not rows:
        return "No drill was run.\n"
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *(f"| {' | '.join(map(in_markdown, row.values()))} |" for row in rows)]) + "\n"


def document(tried: Sequence[Tried]) -> dict[str, Any]:
    return {
        "at": times.rfc3339(time.time()),
        "machine": machine(),
        "commit": COMMIT,
        "bascule": __version__,
        "command": "make drill",
        "drills": [
            {
                "fault": each.fault.key,
                "title": each.fault.title,
                "class": each.fault.kind,
                "bound_seconds": each.bound,
                "information_seconds": each.information,
                "expects": list(each.fault.expects),
                "median_seconds": each.median,
                "slowest_seconds": each.slowest,
                "failures": each.failures,
                "skipped": each.skipped,
                "runs": [asdict(run) for run in each.runs],
            }
            for each in tried
        ],
    }


def write(tried: Sequence[Tried], out: Path) -> None:
    """Write `drills.json`, `drills.md` and a picture of each drill. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(json.dumps(document(tried), indent=2) + "\n", "utf-8")
    (out / "drills.md").write_text(markdown(tried), "utf-8")
    for each in tried:
        for number, run in enumerate(each.runs, 1):
            (out / f"{each.fault.key}-{number}.svg").write_text(picture(each.fault, run), "utf-8")
