"""The judges that evaluate beside this one (`stack.peers.judge`)."""

from __future__ import annotations

from bascule.api import RoleClient
from bascule.api.models.verdict import VerdictAnswer
from bascule.errors import BasculeError
from bascule.judge.service.opinion import fresh_seconds
from bascule.spec import Spec

ASK_SECONDS = 2.0


class JudgesBeside:
    """Which of several judges runs the hooks: of those that have any and evaluate, the one that started first.

    Each judge asks the others by itself, and all of them compare the same starts.
    """

    def __init__(self, spec: Spec, serving_since: float) -> None:
        """`serving_since`: when this judge started, Unix seconds."""
        self._fresh = fresh_seconds(spec)
        self._serving_since = serving_since
        self._others = [RoleClient(spec, "judge", seconds=ASK_SECONDS, url=url) for url in spec.stack.others("judge")]

    def runs_hooks(self) -> str | None:
        """The address of one that runs them in place of this judge; None where this one does."""
        return next((judge.url for judge in self._others if self._is_before(judge)), None)

    def _is_before(self, judge: RoleClient) -> bool:
        """One that does not answer, or whose evaluations have stopped, runs none."""
        try:
            said = judge.get("/api/verdict", VerdictAnswer)
        except BasculeError:
            return False
        evaluates = said.age_seconds is not None and said.age_seconds <= self._fresh
        return evaluates and said.hooks_since is not None and said.hooks_since.timestamp() < self._serving_since
