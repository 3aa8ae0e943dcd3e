"""The history is kept: a snapshot of Prometheus' data, restored into another Prometheus, answers the same."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, judged, post_deployment
from bascule.checklist.looked import Looked
from bascule.errors import ProgramMissing
from bascule.processes import ports, programs
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus

QUERIES = (
    "sum(count_over_time(up[10m]))",
    "sum(http_requests_total)",
    'count(count by (__name__) ({__name__=~".+"}))',
)
NO_SNAPSHOTS = "Prometheus takes no snapshots: set `stack: {snapshots: true}` (--web.enable-admin-api), and restart it"
SETTLED_SECONDS = 15.0  # before now: the snapshot holds all that was scraped until then


@post_deployment(2, "Historical data preserved")
def history(looked: Looked) -> ItemOutcome:
    name = looked.prometheus.snapshot()
    if name is None:
        return cannot(NO_SNAPSHOTS)
    snapshot = looked.spec.stack.state.absolute() / "prometheus" / "snapshots" / name
    taken = ItemEvidence("a snapshot of Prometheus' data", name)
    if not snapshot.is_dir():
        return cannot(f"the snapshot {name} is not on this machine: run the checklist where Prometheus runs", taken)
    try:
        binary = programs.find("prometheus")
    except ProgramMissing as missing:
        return cannot(missing.what, taken)
    at = time.time() - SETTLED_SECONDS
    try:
        there, here = _restored(snapshot, binary, at), _answers(looked.prometheus, at)
    finally:
        shutil.rmtree(snapshot, ignore_errors=True)
    told = {query: f"{here[query]} running, {there[query]} restored" for query in QUERIES}
    problems = [f"{query}: {told[query]}" for query in QUERIES if here[query] != there[query]]
    evidence = [ItemEvidence(query, found) for query, found in told.items()]
    return judged(problems, taken, *evidence)


def _answers(prometheus: Prometheus, at: float) -> dict[str, float | None]:
    found = {query: prometheus.scalar(query, at) for query in QUERIES}
    return {query: value if isinstance(value, float) else None for query, value in found.items()}


def _restored(snapshot: Path, binary: Path, at: float) -> dict[str, float | None]:
    """What another Prometheus says that has the snapshot as its data."""
    port = ports.free()
    with tempfile.TemporaryDirectory(prefix="bascule-restore-") as folder:
        config, data = Path(folder) / "prometheus.yml", Path(folder) / "data"
        config.write_text("{}\n")
        shutil.copytree(snapshot, data)
        argv = [
            str(binary),
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        client = Prometheus(f"http://127.0.0.1:{port}")
        with Supervisor() as supervisor:
            supervisor.start(Program("restored-prometheus", argv, ready=client.is_ready))
            return _answers(client, at)
