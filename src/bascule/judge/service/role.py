"""The judge's role: an evaluation every tick, and its pages."""

from __future__ import annotations

import threading

from bascule.api.server import serve
from bascule.api.servers import alertmanager_of, prometheus_of
from bascule.judge.pushed import PushedSamples
from bascule.judge.service.beside import JudgesBeside
from bascule.judge.service.export import VerdictBoard, build_app
from bascule.judge.service.loop import LiveJudge
from bascule.judge.service.present import PresentStep
from bascule.judge.service.snapshot import Snapshots
from bascule.spec import Spec


def run(spec: Spec, stop: threading.Event) -> None:
    """Evaluate every tick and serve `/api/verdict`, `/metrics` and `/health` until `stop` is set."""
    board, present = VerdictBoard(spec), PresentStep(spec)
    prometheus, alertmanagers = prometheus_of(spec), alertmanager_of(spec).members
    snapshots, pushed = Snapshots(spec.stack.state / "judge"), PushedSamples(prometheus) if spec.judge.push else None
    beside = JudgesBeside(spec, board.serving_since)
    judge = LiveJudge(spec, prometheus, alertmanagers, board.publish, present, snapshots, pushed, beside)
    looking = threading.Thread(target=_guarded, args=(judge, stop), name="judge", daemon=True)
    looking.start()
    serve(stop, build_app(board, present, judge.problems, pushed), spec, "judge")
    looking.join(timeout=10)


def _guarded(judge: LiveJudge, stop: threading.Event) -> None:
    """A judge that fails ends its process, so that its supervisor sees it; it must not go on serving old verdicts."""
    try:
        judge.run(stop)
    finally:
        stop.set()
