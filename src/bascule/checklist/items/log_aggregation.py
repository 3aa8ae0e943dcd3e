"""Logs flow end to end: a marker line that is written to each source is found in the store."""

from __future__ import annotations

import glob
import os
import time
import uuid
from pathlib import Path

from bascule.api.models.logs import Search
from bascule.checklist.item import ItemEvidence, ItemOutcome, answered, cannot, judged, pre_deployment
from bascule.checklist.looked import Looked
from bascule.conventions import LOG_LINES
from bascule.spec import Selector
from bascule.spec.model import LogSource

LATELY = "15m"


@pre_deployment(4, "Log aggregation opérationnelle")
def log_aggregation(looked: Looked) -> ItemOutcome:
    """A marker for each source that is written to here; of every other one, that its lines are read."""
    sources = {name: _file(source) for name, source in looked.spec.logs.named.items()}
    written = {name: file for name, file in sources.items() if file is not None}
    if not written:
        return cannot("no log file of the spec can be written here; run the checklist where the logs are")
    evidence, lost = [], []
    for name, file in written.items():
        found, problem = _marked(looked, name, file)
        evidence += found
        lost += [problem] if problem else []
    read = {name: looked.prometheus.scalar(_lines(name)) for name, file in sources.items() if file is None}
    evidence += [answered(_lines(name), value, "lines") for name, value in read.items()]
    unread = ", ".join(name for name, value in read.items() if not isinstance(value, float) or value <= 0)
    unknown = [f"no file of {unread} can be written here, and no line of it was read in {LATELY}"] if unread else []
    return judged(lost, *evidence, unknown=unknown)


def _lines(source: str) -> str:
    return f"sum(increase({Selector(LOG_LINES.name).where(source=source)}[{LATELY}]))"


def _marked(looked: Looked, name: str, file: Path) -> tuple[list[ItemEvidence], str]:
    """A marker that is written to a file: what was done, and why it is not in the store."""
    marker = f"checklist-{uuid.uuid4().hex[:12]}"
    began = time.monotonic()
    with file.open("a", encoding="utf-8") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} INFO bascule {marker}\n")
    written = ItemEvidence(f"a line {marker} written to {file}", f"source {name}")
    if not looked.until(lambda: bool(looked.logs.search(Search(text=marker, limit=1)))):
        return [written], f"the line in {file} is not in the store after {looked.wait:g} s"
    seconds = time.monotonic() - began
    return [written, ItemEvidence(f"search for {marker} in the store", f"found after {seconds:.1f} s")], ""


def _file(source: LogSource) -> Path | None:
    """A log file of the source that can be written to: text lines, as the services write them."""
    if source.files is None or not {"python", "api_call"}.intersection(source.formats):
        return None
    for name in sorted(glob.glob(source.files)):
        path = Path(name)
        if path.is_file() and path.stat().st_size and os.access(path, os.W_OK):
            return path
    return None
