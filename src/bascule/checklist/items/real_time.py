"""The monitoring is of now: the age of the newest samples, of the judge's last evaluation and of the last log line."""

from __future__ import annotations

from bascule.checklist.deployed import jobs_of
from bascule.checklist.item import ItemEvidence, ItemOutcome, answered, deployment, judged
from bascule.checklist.looked import Looked
from bascule.conventions import JUDGE_TICK, LOG_LAG_SECONDS
from bascule.discover.server import CLOCK_SECONDS
from bascule.promql.expressions import among

LAG_SECONDS = 30.0


@deployment(1, "Monitoring temps réel actif")
def real_time(looked: Looked) -> ItemOutcome:
    """Of every job and every log source: one without data is not as fresh as the others."""
    spec, jobs = looked.spec, jobs_of(looked.spec)
    scrape = spec.stack.scrape.interval
    samples = f"max by (job) (time() - timestamp(up{{{among('job', jobs)}}}))"
    problems, evidence = _each(looked, samples, "job", jobs, 3 * scrape + 2)
    judge = f"time() - max({JUDGE_TICK.name})"
    evaluated = looked.prometheus.scalar(judge)
    problems.append(_problem(judge, evaluated, 5 * max(spec.judge.tick, scrape) + 2))
    evidence.append(answered(judge, evaluated, "s"))
    if spec.logs.sources:
        lag = f"max by (source) ({LOG_LAG_SECONDS.name})"
        late, found = _each(looked, lag, "source", list(spec.logs.named), LAG_SECONDS)
        problems, evidence = problems + late, evidence + found
    return judged(filter(None, problems), *evidence)


def _each(
    looked: Looked, query: str, label: str, names: list[str], most: float
) -> tuple[list[str], list[ItemEvidence]]:
    """What is wrong with each value of a label that the spec names, and the oldest of them all."""
    found = {sample.labels.get(label, ""): sample.value for sample in looked.prometheus.instant(query)}
    of_spec = {name: found.get(name) for name in names}
    known = {name: age for name, age in of_spec.items() if age is not None}
    oldest = max(known, key=lambda name: known[name], default=None)
    told = f"no data of {len(names)}" if oldest is None else f"at most {known[oldest]:.1f} s ({label} {oldest})"
    problems = [_problem(f"{label} {name}, {query}", age, most) for name, age in of_spec.items()]
    return problems, [ItemEvidence(query, f"{len(known)} of {len(names)} have data, {told}")]


def _problem(query: str, value: object, most: float) -> str:
    """An age below zero is of another clock, and says nothing; NaN is neither."""
    if not isinstance(value, float):
        return f"no data for {query}"
    if value < -CLOCK_SECONDS:
        return f"{query} is {value:.1f} s: a clock is ahead"
    return "" if value <= most else f"{query} is {value:.1f} s, more than {most:g} s"
