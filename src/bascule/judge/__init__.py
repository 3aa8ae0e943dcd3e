"""The judge: weighs candidate against baseline at every look, raises alarms, and says promote, hold or roll back.

evidence.py, history.py, layout.py   pure statistics on numpy
confidence.py, measures.py           values and intervals that are shown and gated
signals.py, live.py                  raw samples from Prometheus, cut into joint looks of both versions
engine.py, alarm.py, means.py        one phase: looks in, evidence and alarms out
outcome.py, gates.py, verdict.py     lines, gates, triggers and the verdict of an engine at a moment
loop.py, export.py, hooks.py         the live role
ask.py                               a verdict for a pipeline
backtest.py, rules.py, suggest.py    what would have fired on a stretch of history, and what to declare
"""

from __future__ import annotations

import threading

from bascule.api.server import serve
from bascule.judge.ask import compare, gate
from bascule.judge.backtest import Backtest, Stretch, backtest
from bascule.judge.export import Board, build_app
from bascule.judge.loop import Judge
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
    serve(stop, build_app(board), spec, "judge")
    looking.join(timeout=10)


def _guarded(judge: Judge, stop: threading.Event) -> None:
    """A judge that fails ends its process, so that its supervisor sees it; it must not go on serving old verdicts."""
    try:
        judge.run(stop)
    finally:
        stop.set()
