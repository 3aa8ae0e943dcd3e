"""What happens when the verdict changes: commands and webhooks of the spec, at most once each, written down.

Every run is written to `state/judge/hooks.jsonl` before it begins and after it ended. A judge that is restarted reads
the last verdict from there and does not repeat what was already begun, even if it never learnt how it ended.
"""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bascule import private
from bascule.conventions import Verdict
from bascule.errors import BasculeError
from bascule.judge.service.beside import JudgesBeside
from bascule.judge.service.opinion import Opinion
from bascule.judge.service.outcome import JudgeOutcome
from bascule.judge.service.present import PresentStep
from bascule.processes import command
from bascule.spec import Spec
from bascule.spec.model import Hook
from bascule.transport import Http

LOG = logging.getLogger("bascule.judge")


class Hooks:
    """Runs the spec's hooks, each on a thread of its own, so that none delays an evaluation."""

    def __init__(self, spec: Spec, present: PresentStep | None = None, beside: JudgesBeside | None = None) -> None:
        self._hooks = spec.judge.hooks
        self._present, self._beside = present, beside
        self._name = spec.metadata.name
        self.path = spec.stack.state / "judge" / "hooks.jsonl"
        self._lock = threading.Lock()
        self._last = self._last_verdict()

    def see(self, outcome: JudgeOutcome) -> list[threading.Thread]:
        """Tell a verdict; on a change the hooks that wait for it run. The very first verdict is no change."""
        verdict, reasons = outcome.judgement.verdict, outcome.judgement.reasons
        if not self._hooks or verdict.value == self._last:
            return []
        first, self._last = self._last is None, verdict.value
        self._write({"verdict": verdict.value, "reasons": list(reasons)})
        waiting = [(number, hook) for number, hook in enumerate(self._hooks) if verdict.value in hook.on and not first]
        return [self._start(number, hook, outcome) for number, hook in waiting]

    def _start(self, number: int, hook: Hook, outcome: JudgeOutcome) -> threading.Thread:
        self._write({"hook": number, "verdict": outcome.judgement.verdict.value, "begun": True})
        thread = threading.Thread(target=self._run, args=(number, hook, outcome), daemon=True)
        thread.start()
        return thread

    def _run(self, number: int, hook: Hook, outcome: JudgeOutcome) -> None:
        verdict = outcome.judgement.verdict
        refused = self._refused(outcome)
        result = f"not run: {refused}" if refused else self._result(hook, outcome)
        LOG.info("hook %d on %s: %s", number, verdict.value, result)
        self._write({"hook": number, "verdict": verdict.value, "result": result})

    def _refused(self, outcome: JudgeOutcome) -> str:
        """One judge of several runs a hook. What moves the traffic forward must be about the step that is present now,
        and the plan not be paused."""
        if other := self._beside.runs_hooks() if self._beside else None:
            return f"left to the judge at {other}, which started before this one"
        if outcome.judgement.verdict is not Verdict.PROMOTE or self._present is None:
            return ""
        told = self._present.told(Opinion.of(outcome))
        return "" if told.verdict is Verdict.PROMOTE else told.reasons[0]

    def _result(self, hook: Hook, outcome: JudgeOutcome) -> str:
        judged = outcome.judgement
        body = {"migration": self._name, "verdict": judged.verdict.value, "reasons": list(judged.reasons)}
        try:
            return run_command(hook, body) if hook.command else post(hook, body)
        except BasculeError as error:
            return f"failed: {error}"

    def _write(self, entry: dict[str, Any]) -> None:
        """A disk that takes nothing keeps no hook from running."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry})
        try:
            with self._lock:
                private.append(self.path, line + "\n")
        except OSError as error:
            LOG.error("the run of a hook is not written down: %s", error)

    def _last_verdict(self) -> str | None:
        entries = read_audit(self.path)
        return next((str(entry["verdict"]) for entry in reversed(entries)), None)


def read_audit(path: Path) -> list[dict[str, Any]]:
    """The entries of the audit file; a line that was torn by a crash is skipped."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text("utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            LOG.warning("an incomplete line in %s is skipped", path)
    return entries


def run_command(hook: Hook, body: dict[str, Any]) -> str:
    """Run without a shell: it gets the verdict as JSON on its standard input. Raises ProcessFailed."""
    assert hook.command is not None
    return f"exit {command.run(hook.command, hook.timeout, json.dumps(body)).status}"


def post(hook: Hook, body: dict[str, Any]) -> str:
    """Send the verdict as JSON. Raises Unreachable where no whole answer comes in time."""
    assert hook.webhook is not None
    http = Http("the hook", hook.webhook, seconds=hook.timeout)
    try:
        return f"answered {http.ask('POST', hook.webhook, json=body).status}"
    finally:
        http.close()
