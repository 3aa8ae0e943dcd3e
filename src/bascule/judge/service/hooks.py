"""What happens when the verdict changes: commands and webhooks of the spec, at most once each, written down.

Every run is written to `state/judge/hooks.jsonl` before it begins and after it ended. A judge that is restarted reads
the last verdict from there and does not repeat what was already begun, even if it never learnt how it ended.
"""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bascule.conventions import Verdict
from bascule.spec import Spec
from bascule.spec.model import Hook

LOG = logging.getLogger("bascule.judge")


class Hooks:
    """Runs the spec's hooks, each on a thread of its own, so that none delays a look."""

    def __init__(self, spec: Spec) -> None:
        self._hooks = spec.judge.hooks
        self._name = spec.metadata.name
        self.path = spec.stack.state / "judge" / "hooks.jsonl"
        self._lock = threading.Lock()
        self._last = self._last_verdict()

    def see(self, verdict: Verdict, reasons: tuple[str, ...]) -> list[threading.Thread]:
        """Tell a verdict; on a change the hooks that wait for it run. The very first verdict is no change."""
        if not self._hooks or verdict.value == self._last:
            return []
        first, self._last = self._last is None, verdict.value
        self._write({"verdict": verdict.value, "reasons": list(reasons)})
        waiting = [(number, hook) for number, hook in enumerate(self._hooks) if verdict.value in hook.on and not first]
        return [self._start(number, hook, verdict, reasons) for number, hook in waiting]

    def _start(self, number: int, hook: Hook, verdict: Verdict, reasons: tuple[str, ...]) -> threading.Thread:
        self._write({"hook": number, "verdict": verdict.value, "begun": True})
        thread = threading.Thread(target=self._run, args=(number, hook, verdict, reasons), daemon=True)
        thread.start()
        return thread

    def _run(self, number: int, hook: Hook, verdict: Verdict, reasons: tuple[str, ...]) -> None:
        body = {"migration": self._name, "verdict": verdict.value, "reasons": list(reasons)}
        try:
            result = run_command(hook, body) if hook.command else post(hook, body)
        except (OSError, subprocess.TimeoutExpired, httpx.HTTPError) as error:
            result = f"failed: {error}"
        LOG.info("hook %d on %s: %s", number, verdict.value, result)
        self._write({"hook": number, "verdict": verdict.value, "result": result})

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **entry})
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def _last_verdict(self) -> str | None:
        entries = read_audit(self.path)
        return next((str(entry["verdict"]) for entry in reversed(entries)), None)


def read_audit(path: Path) -> list[dict[str, Any]]:
    """The entries of the audit file; a line that was torn by a crash is passed over."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text("utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            LOG.warning("a torn line in %s is passed over", path)
    return entries


def run_command(hook: Hook, body: dict[str, Any]) -> str:
    """Run without a shell: the verdict stands as JSON on its standard input."""
    assert hook.command is not None
    done = subprocess.run(
        hook.command, input=json.dumps(body), text=True, capture_output=True, timeout=hook.timeout, check=False
    )
    return f"exit {done.returncode}"


def post(hook: Hook, body: dict[str, Any]) -> str:
    """Send the verdict as JSON. Raises httpx.HTTPError where no answer comes."""
    assert hook.webhook is not None
    return f"answered {httpx.post(hook.webhook, json=body, timeout=hook.timeout, trust_env=False).status_code}"
