"""The judge: weighs candidate against baseline at every look, raises alarms, and says promote, hold or roll back.

layout.py, texts.py   counts per segment, and numbers as people read them
sampling/             raw samples from Prometheus, cut into joint looks of both versions; the plan
evidence/             one phase: looks in, evidence, alarms, values and intervals out
service/              lines, gates, triggers and the verdict at a moment; the live role
backtest/             what would have fired on a stretch of history, and what to declare
"""

from __future__ import annotations

import threading

from bascule.judge.backtest.replay import Backtest, Stretch, backtest
from bascule.judge.service.ask import compare, gate
from bascule.judge.service.export import Board, build_app
from bascule.judge.service.loop import Judge
from bascule.processes.serving import serve_until
from bascule.prometheus import Alertmanager, Prometheus
from bascule.spec import Spec

__all__ = ["Backtest", "Board", "Judge", "Stretch", "backtest", "build_app", "compare", "gate", "run"]


def run(spec: Spec, stop: threading.Event) -> None:
    """The judge's role: look every tick and serve `/api/verdict`, `/metrics` and `/health` until `stop` is set."""
    board = Board(spec)
    judge = Judge(
        spec, Prometheus(spec.stack.url("prometheus")), Alertmanager(spec.stack.url("alertmanager")), board.publish
    )
    looking = threading.Thread(target=_guarded, args=(judge, stop), name="judge", daemon=True)
    looking.start()
    serve_until(stop, build_app(board), spec.stack.listen, spec.stack.ports.judge)
    looking.join(timeout=10)


def _guarded(judge: Judge, stop: threading.Event) -> None:
    """A judge that fails ends its process, so that its supervisor sees it; it must not go on serving old verdicts."""
    try:
        judge.run(stop)
    finally:
        stop.set()
