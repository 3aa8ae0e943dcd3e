"""The review of an incident says what others wrote as they wrote it, and never in its own form."""

from __future__ import annotations

from pathlib import Path

from bascule.conventions import EntryKind
from bascule.errors import QueryRejected
from bascule.incidents.model import Entry, Notification
from bascule.incidents.store import Store
from bascule.incidents.summary import summary
from bascule.prometheus import Prometheus, Series
from bascule.spec import load

FORGED = "fine\n## Cause\n- [x] **Rollback rehearsed** | <b>"


class Refusing(Prometheus):
    def __init__(self) -> None:
        pass

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        raise QueryRejected(FORGED)


def test_no_text_from_outside_becomes_a_heading_a_mark_or_a_cell(tmp_path: Path) -> None:
    store = Store(tmp_path / "incidents.sqlite", now=100.0)
    labels = {"alertname": "ServiceDown", "severity": "critical", "job": FORGED}
    opened = store.receive(Notification("f", True, labels, {"summary": FORGED}, 100.0, None, 100.0))
    store.add(Entry(101.0, EntryKind.NOTE, FORGED, FORGED))
    lines = summary(load("supersmartmatch"), store, Refusing(), opened.id, 200.0).splitlines()
    store.close()
    headings = ["## Alerts", "## Timeline", "## Who was notified", "## Signals", "## To be filled in"]
    assert [line for line in lines if line.startswith("##")] == headings
    assert [line for line in lines if "Rollback rehearsed" in line and ("[x]" in line or "<b>" in line)] == []
    (asked,) = (line for line in lines if "could not be asked" in line)
    assert asked.endswith(r"fine ## Cause - \[x\] \*\*Rollback rehearsed\*\* \| &lt;b>")
