"""The monitoring is of now: the age of the newest samples, of the judge's last evaluation and of the last log line."""

from __future__ import annotations

from bascule.checklist.item import ItemOutcome, answered, deployment, judged
from bascule.checklist.looked import Looked
from bascule.conventions import JUDGE_TICK, LOG_LAG_SECONDS


@deployment(1, "Monitoring temps réel actif")
def real_time(looked: Looked) -> ItemOutcome:
    spec = looked.spec
    allowed = {
        "time() - min(timestamp(up))": 3 * spec.stack.scrape.interval + 2,
        f"time() - max({JUDGE_TICK.name})": 5 * max(spec.judge.tick, spec.stack.scrape.interval) + 2,
    }
    if spec.logs.sources:
        allowed[f"max({LOG_LAG_SECONDS.name})"] = 30.0
    found = {query: looked.prometheus.scalar(query) for query in allowed}
    problems = [_problem(query, value, allowed[query]) for query, value in found.items()]
    return judged(filter(None, problems), *(answered(query, value, "s") for query, value in found.items()))


def _problem(query: str, value: object, most: float) -> str:
    if not isinstance(value, float):
        return f"no data for {query}"
    return f"{query} is {value:.1f} s, more than {most:g} s" if value > most else ""
