"""Starting and stopping the traffic's process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, Self

from bascule.errors import ProcessFailed, UsageError
from bascule.lab.plan import TrafficPlan
from bascule.lab.site import front_url
from bascule.lab.tally import Tally
from bascule.spec import Spec

DRAIN_SECONDS = 30.0


class Traffic:
    """Traffic against the lab of a spec, from `with` to its end.

        with Traffic(spec, rate=40, seed=1) as traffic:
            ...
        print(traffic.tally)

    rate: matches per second; see TrafficPlan for the rest. A process of its own, so that neither disturbs the other.
    """

    def __init__(
        self,
        spec: Spec,
        rate: float = 40.0,
        seed: int = 1,
        seconds: float = 3600.0,
        mix: Mapping[str, float] | None = None,
    ) -> None:
        chosen: dict[str, Any] = {} if mix is None else {"mix": dict(mix)}
        self.plan = TrafficPlan(front_url(spec), rate=rate, seed=seed, seconds=seconds, **chosen)
        self.tally: Tally | None = None
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        argv = [sys.executable, "-m", "bascule.lab.traffic", self.plan.to_json()]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True
        )

    def wait(self) -> Tally:
        """Let the plan run to its end."""
        process = self._running()
        assert process.stdout is not None
        return self._counted(process, process.stdout.read())

    @property
    def is_running(self) -> bool:
        """Whether it was started and its plan is not at its end."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> Tally:
        """Send nothing more, wait for the answers that are due, and count. Once stopped it stays so."""
        if self.tally is not None:
            return self.tally
        process = self._running()
        try:
            output, _ = process.communicate(timeout=DRAIN_SECONDS)  # closes its input, which ends it
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        return self._counted(process, output)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise UsageError("the traffic was not started", "use it in a `with` statement")
        return self._process

    def _counted(self, process: subprocess.Popen[str], output: str) -> Tally:
        status = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with self._errors as errors:
            errors.seek(0)
            said = errors.read().strip()[-2000:]
        if status != 0:
            what = f"the lab's traffic ended with status {status}: {said or 'no output'}"
            raise ProcessFailed(what, "check that its services and nginx run, then start it again")
        self.tally = Tally.from_json(output)
        return self.tally
