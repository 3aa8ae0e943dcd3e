"""What a Prometheus has not seen of a migration yet: jobs, signals of each version, log sources.

While this list is not empty, no figure that depends on it can be trusted, and no alert on it can fire.
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import conventions, promql
from bascule.discover.verify import signals
from bascule.errors import Problem
from bascule.prometheus import Prometheus, Target
from bascule.spec import Selector, Spec

ADD_JOB = "add the job with `bascule merge`"


def unseen(spec: Spec, prometheus: Prometheus) -> list[Problem]:
    """By `job shop-v1`, `signal errors of v2`, `log source access`; empty once everything was seen.

    Raises Unreachable or QueryRejected.
    """
    return [*_jobs(spec, prometheus.targets()), *_signals(spec, prometheus), *_sources(spec, prometheus)]


def _jobs(spec: Spec, targets: list[Target]) -> Iterator[Problem]:
    by_job: dict[str, list[Target]] = {}
    for target in targets:
        by_job.setdefault(target.job, []).append(target)
    for job in (*promql.watched(spec), *spec.role_jobs):
        if job not in by_job:
            yield Problem(f"job {job}", f"this Prometheus does not scrape it ({ADD_JOB})")
        for target in by_job.get(job, ()):
            if target.health != "up":
                why = " ".join(target.last_error.split()) or "it was not scraped yet"
                yield Problem(f"job {job}", f"{target.instance}: {why}")


def _signals(spec: Spec, prometheus: Prometheus) -> Iterator[Problem]:
    """A line for each signal of each version, with the first reason; none of a version that gets no traffic yet."""
    reasons: dict[str, str] = {}
    share = prometheus.scalar(f"max({conventions.PLANNED_SHARE.name})")
    for finding in signals(spec, prometheus):
        _, _, place = finding.where.partition("signals.")
        key, _, version = place.partition(" of ")
        is_to_come = finding.state == "empty" and version == spec.versions.candidate and share == 0
        if finding.state != "ok" and not is_to_come:
            reasons.setdefault(f"signal {key.partition('.')[0]} of {version}", finding.why)
    yield from (Problem(what, why) for what, why in reasons.items())


def _sources(spec: Spec, prometheus: Prometheus) -> Iterator[Problem]:
    read = Selector(conventions.LOG_LINES.name)
    seen = {sample.labels.get("source") for sample in prometheus.instant(f"sum by (source) ({read}) > 0")}
    for name in spec.logs.named:
        if name not in seen:
            yield Problem(f"log source {name}", "no line of it was read; see `bascule logs try`")
