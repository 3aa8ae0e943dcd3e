"""The history is kept: a snapshot of Prometheus' data, restored into another Prometheus, answers the same."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, judged, post_deployment
from bascule.checklist.looked import Looked
from bascule.errors import ProgramMissing
from bascule.processes import ports, programs
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus

NO_SNAPSHOTS = "Prometheus takes no snapshots: set `stack: {snapshots: true}` (--web.enable-admin-api), and restart it"
MOST_POINTS = 500
LONGEST_SECONDS = 30 * 86400.0
SETTLED_SECONDS = 15.0  # before now: the snapshot holds all that was scraped until then


def queries(looked: Looked) -> list[str]:
    """Of the newest samples, of the whole history, of every signal and of every name."""
    span = round(min(LONGEST_SECONDS, looked.history))
    counted = {f"sum({selector})" for signal in looked.spec.signals.values() for selector in signal.selectors.values()}
    return [
        "sum(count_over_time(up[10m]))",
        f"sum(count_over_time(up[{span}s:{max(60, span // MOST_POINTS)}s]))",
        *sorted(counted),
        'count(count by (__name__) ({__name__=~".+"}))',
    ]


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
    at, asked = time.time() - SETTLED_SECONDS, queries(looked)
    try:
        there, here = _restored(snapshot, binary, asked, at), _answers(looked.prometheus, asked, at)
    finally:
        shutil.rmtree(snapshot, ignore_errors=True)
    told = {query: f"{here[query]} running, {there[query]} restored" for query in asked}
    evidence = [taken, *(ItemEvidence(query, found) for query, found in told.items())]
    problems = [f"{query}: {told[query]}" for query in asked if here[query] != there[query]]
    empty = ", ".join(query for query in asked if here[query] is None)
    unknown = [f"there is no data to restore of {empty}"] if empty else []
    return judged(problems, *evidence, unknown=unknown)


def _answers(prometheus: Prometheus, asked: Sequence[str], at: float) -> dict[str, float | None]:
    found = {query: prometheus.scalar(query, at) for query in asked}
    return {query: value if isinstance(value, float) else None for query, value in found.items()}


def _restored(snapshot: Path, binary: Path, asked: Sequence[str], at: float) -> dict[str, float | None]:
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
            return _answers(client, asked, at)
