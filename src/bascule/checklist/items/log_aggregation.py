"""Logs flow end to end: a marker line that is written to a log file is found in the store."""

from __future__ import annotations

import glob
import os
import time
import uuid
from pathlib import Path

from bascule.api.models.logs import Search
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, failed, passed, pre_deployment
from bascule.checklist.looked import Looked
from bascule.spec.model import LogSource


@pre_deployment(4, "Log aggregation opérationnelle")
def log_aggregation(looked: Looked) -> ItemOutcome:
    found = next(((name, file) for name, one in looked.spec.logs.named.items() if (file := _file(one))), None)
    if found is None:
        return cannot("no log file of the spec can be written here; run the checklist where the logs are")
    name, file = found
    marker = f"checklist-{uuid.uuid4().hex[:12]}"
    began = time.monotonic()
    with file.open("a", encoding="utf-8") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} INFO bascule {marker}\n")
    written = ItemEvidence(f"a line {marker} written to {file}", f"source {name}")
    if not looked.until(lambda: bool(looked.logs.search(Search(text=marker, limit=1)))):
        return failed(f"the line is not in the store after {looked.wait:g} s", written)
    return passed(
        written, ItemEvidence(f"search for {marker} in the store", f"found after {time.monotonic() - began:.1f} s")
    )


def _file(source: LogSource) -> Path | None:
    """A log file of the source that can be written to: text lines, as the services write them."""
    if source.files is None or not {"python", "api_call"}.intersection(source.formats):
        return None
    for name in sorted(glob.glob(source.files)):
        path = Path(name)
        if path.is_file() and path.stat().st_size and os.access(path, os.W_OK):
            return path
    return None
