"""The verdict for a command line: asked of the running judge, or formed anew from Prometheus."""

from __future__ import annotations

import time
from typing import Any

from bascule.api import JudgeClient
from bascule.conventions import Verdict
from bascule.errors import BasculeError, OtherMigration
from bascule.judge.sampling.plan import read_plan
from bascule.judge.service.export import body
from bascule.judge.service.outcome import outcome_of
from bascule.judge.service.watch import PhaseWatch
from bascule.prometheus import Prometheus
from bascule.spec import Spec
from bascule.spec.quantities import parse_duration

DECIDED = {Verdict.PROMOTE.value, Verdict.ROLL_BACK.value}
WITHOUT_PLAN_SECONDS = 900.0  # compared when nobody tells when the phase began
POLL_SECONDS = 1.0


def compare(spec: Spec, prometheus: Prometheus) -> dict[str, Any]:
    """One look of our own at what Prometheus holds since the phase began; the shape of `/api/verdict`."""
    asked = prometheus.scalar("time()")
    now = asked if isinstance(asked, float) else time.time()
    watch = PhaseWatch(spec, prometheus, read_plan(prometheus, now - WITHOUT_PLAN_SECONDS))
    watch.advance(now)
    outcome = outcome_of(watch.engine, watch.surroundings(now))
    return body(spec, outcome, outcome.judgement.verdict, now)


def gate(spec: Spec, wait: str | float = 0.0) -> dict[str, Any]:
    """The verdict for a pipeline, waiting up to `wait` for promote or roll back; without Prometheus it is no data."""
    deadline = time.monotonic() + parse_duration(wait)
    while True:
        answer = _verdict(spec)
        left = deadline - time.monotonic()
        if answer["verdict"] in DECIDED or left <= 0:
            return answer
        time.sleep(min(POLL_SECONDS, left))


def _verdict(spec: Spec) -> dict[str, Any]:
    running = _ask_judge(spec)
    if running is not None:
        return running
    prometheus = Prometheus(spec.stack.url("prometheus"))
    try:
        return compare(spec, prometheus)
    except BasculeError as error:
        return body(spec, None, Verdict.NO_DATA, time.time(), str(error))
    finally:
        prometheus.close()


def _ask_judge(spec: Spec) -> dict[str, Any] | None:
    """The running judge's verdict, which is no data when it judges another migration; None where no judge runs."""
    client = JudgeClient(spec)
    try:
        answer = client.verdict()
    except OtherMigration as error:
        return body(spec, None, Verdict.NO_DATA, time.time(), str(error))
    except BasculeError:
        return None
    finally:
        client.close()
    named = answer.migration == spec.metadata.name
    return answer.model_dump(mode="json", exclude_unset=True) if named else _of_another(spec, answer.migration)


def _of_another(spec: Spec, migration: str) -> dict[str, Any]:
    """Another migration's verdict must move nothing here."""
    problem = f"The judge at {spec.stack.url('judge')} judges {migration!r}, not {spec.metadata.name!r}."
    return body(spec, None, Verdict.NO_DATA, time.time(), f"{problem} Give each its own stack.ports.judge.")
