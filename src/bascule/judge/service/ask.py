"""The verdict for a command line: asked of the running judge, or formed again from Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from bascule.api import JudgeClient
from bascule.api.servers import prometheus_of
from bascule.conventions import Verdict
from bascule.errors import BasculeError, OtherMigration
from bascule.judge.sampling.forgotten import forgotten
from bascule.judge.sampling.plan import read_plan, server_time
from bascule.judge.service.export import body
from bascule.judge.service.opinion import Opinion
from bascule.judge.service.outcome import outcome_of
from bascule.judge.service.present import PresentStep
from bascule.judge.service.watch import PhaseWatch
from bascule.prometheus import Prometheus
from bascule.spec import Spec
from bascule.spec.quantities import parse_duration
from bascule.states import Cause, Missing

DECIDED = {Verdict.PROMOTE.value, Verdict.ROLL_BACK.value}
WITHOUT_PLAN_SECONDS = 900.0  # compared when nobody tells when the phase began
POLL_SECONDS = 1.0
ANSWER_SECONDS = 20.0  # for everything that an evaluation of our own asks of Prometheus


def compare(spec: Spec, prometheus: Prometheus) -> dict[str, Any]:
    """One evaluation of our own at what Prometheus holds since the phase began; the shape of `/api/verdict`.

    After a rollback there is nothing to compare; it shows what was compared last.
    """
    with closing(PresentStep(spec)) as present:
        return body(spec, present.after_withdrawal(_evaluated(spec, prometheus, present)))


Waiting = Callable[[dict[str, Any], float], None]


def nobody(_: dict[str, Any], __: float) -> None:
    """Tells nobody."""


def gate(spec: Spec, wait: str | float = 0.0, tell: Waiting = nobody) -> dict[str, Any]:
    """The verdict for a pipeline, waiting up to `wait` for promote or roll back; what cannot be known is no data.

    `tell` hears each verdict that is waited on, with the seconds that are left.
    """
    deadline = time.monotonic() + parse_duration(wait)
    while True:
        answer = _verdict(spec)
        left = deadline - time.monotonic()
        if answer["verdict"] in DECIDED or left <= 0:
            return answer
        tell(answer, left)
        time.sleep(min(POLL_SECONDS, left))


def _verdict(spec: Spec) -> dict[str, Any]:
    running = _ask_judge(spec)
    return running if running is not None else body(spec, _formed_anew(spec))


def _formed_anew(spec: Spec) -> Opinion:
    prometheus = prometheus_of(spec, within=ANSWER_SECONDS)
    with closing(prometheus), closing(PresentStep(spec)) as present:
        try:
            return present.told(_evaluated(spec, prometheus, present))
        except BasculeError as error:
            return _none(str(error))


def _evaluated(spec: Spec, prometheus: Prometheus, present: PresentStep) -> Opinion:
    now = server_time(prometheus)
    plan = present.plan() or read_plan(prometheus, now - WITHOUT_PLAN_SECONDS)
    watch = PhaseWatch(spec, prometheus, plan, forgotten=forgotten(spec))
    watch.advance(now)
    return Opinion.of(outcome_of(watch.engine, watch.surroundings(now)))


def _none(what: str) -> Opinion:
    return Opinion.none(Missing(Cause.SERVER_AWAY, what))


def _ask_judge(spec: Spec) -> dict[str, Any] | None:
    """The running judge's verdict, which is no data when it judges another migration; None where no judge runs."""
    client = JudgeClient(spec)
    try:
        answer = client.verdict()
    except OtherMigration as error:
        return body(spec, _none(str(error)))
    except BasculeError:
        return None
    finally:
        client.close()
    named = answer.migration == spec.metadata.name
    return answer.model_dump(mode="json", exclude_unset=True) if named else _of_another(spec, answer.migration)


def _of_another(spec: Spec, migration: str) -> dict[str, Any]:
    """Another migration's verdict must move nothing here."""
    problem = f"The judge at {spec.stack.url('judge')} judges {migration!r}, not {spec.metadata.name!r}."
    return body(spec, _none(f"{problem} Give each its own stack.ports.judge."))
