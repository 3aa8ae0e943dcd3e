"""What a Prometheus runs, compared with what is generated from the spec: rules by name, expression, labels and times;
targets by job and instance. That something runs says nothing: it may be another spec's, or an older one's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import promql_parser

from bascule import promql
from bascule.alerts import Alerting
from bascule.generate.prometheus.prometheus_config import scrape_configs
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.generate.prometheus.rules import Group, Rule
from bascule.generate.victoriametrics import victoriametrics_groups
from bascule.prometheus import Target
from bascule.spec import Spec
from bascule.spec.clashes import OWN_JOBS
from bascule.spec.quantities import format_duration

BEFORE, SHOWN = 20, 60  # characters of an expression, around where it differs
MOST_TOLD = 5
RunningGroup = Mapping[str, Any]  # as Prometheus.rules gives it


def first_of(differences: Sequence[str]) -> list[str]:
    """The first of them, and how many more there are."""
    more = len(differences) - MOST_TOLD
    return [*differences[:MOST_TOLD], *([f"and {more} more differences"] if more > 0 else [])]


# ---------------------------------------------------------------- rules


@dataclass(frozen=True)
class RuleDifference:
    """`group`: the name of the rule group that it is in."""

    group: str
    text: str


def rule_differences(spec: Spec, running: Iterable[RunningGroup]) -> list[RuleDifference]:
    """Empty where Prometheus (or vmalert, with the rules that are generated for it) runs what the spec generates."""
    groups = list(running)
    found = _compared(rule_groups(spec), groups)
    return min(found, _compared(victoriametrics_groups(spec), groups), key=len) if found else found


def groups_of(spec: Spec, running: Iterable[RunningGroup]) -> list[RunningGroup]:
    """Those that have a name of the spec's groups."""
    names = {group.name for group in rule_groups(spec)}
    return [group for group in running if group["name"] in names]


def _compared(wanted: Iterable[Group], running: Iterable[RunningGroup]) -> list[RuleDifference]:
    """Several migrations may have groups of the same name: the most similar one is meant."""
    by_name: dict[str, list[RunningGroup]] = {}
    for each in running:
        by_name.setdefault(each["name"], []).append(each)
    found = []
    for group in wanted:
        compared = (list(_differences(group, there)) for there in by_name.get(group.name, ()))
        texts = min(compared, key=len, default=[f"Prometheus does not run the rule group {group.name}"])
        found += [RuleDifference(group.name, text) for text in texts]
    return found


@dataclass(frozen=True)
class _Evaluated:
    """A rule as it is evaluated, however its expression is laid out. `hold` and `keep` in seconds."""

    name: str
    expression: str
    labels: frozenset[tuple[str, str]]
    hold: float = 0.0
    keep: float = 0.0

    @classmethod
    def generated(cls, rule: Rule) -> _Evaluated:
        hold, keep = (rule.hold, rule.keep_firing_for) if isinstance(rule, Alerting) else (0.0, 0.0)
        return cls(rule.name, _plain(rule.expr), frozenset(rule.labels.items()), hold, keep)

    @classmethod
    def running(cls, rule: Mapping[str, Any]) -> _Evaluated:
        labels = frozenset(rule["labels"].items())
        hold, keep = rule.get("duration", 0.0), rule.get("keepFiringFor", 0.0)
        return cls(rule["name"], _plain(rule["query"]), labels, hold, keep)

    def unlike(self, other: _Evaluated) -> int:
        pairs = ((self.expression, other.expression), (self.labels, other.labels), (self.times, other.times))
        return sum(mine != theirs for mine, theirs in pairs)

    @property
    def times(self) -> str:
        return f"for {format_duration(self.hold)}, keep_firing_for {format_duration(self.keep)}"

    def beside(self, other: _Evaluated) -> tuple[str, str]:
        """In what they differ first, of each."""
        if self.expression != other.expression:
            return _apart(self.expression, other.expression)
        if self.labels != other.labels:
            return _written(self.labels - other.labels), _written(other.labels - self.labels)
        return self.times, other.times


def _plain(expression: str) -> str:
    """The expression in the parser's own layout; as it is, but for its spaces, where the parser is older than it."""
    try:
        return promql_parser.parse(expression).prettify()
    except ValueError:
        return " ".join(expression.split())


def _apart(mine: str, theirs: str) -> tuple[str, str]:
    one, other = (" ".join(text.split()) for text in (mine, theirs))
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    begin = max(0, same - BEFORE)
    return _cut(one, begin), _cut(other, begin)


def _cut(text: str, begin: int) -> str:
    shown = text[begin : begin + SHOWN]
    return f"`{'...' if begin else ''}{shown}{'...' if len(text) > begin + SHOWN else ''}`"


def _written(labels: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in sorted(labels)) or "no such label"


def _differences(wanted: Group, running: RunningGroup) -> Iterator[str]:
    mine = Counter(map(_Evaluated.generated, wanted.rules))
    theirs = Counter(map(_Evaluated.running, running["rules"]))
    surplus, absent = list((theirs - mine).elements()), []
    for rule in (mine - theirs).elements():
        namesakes = [each for each in surplus if each.name == rule.name]
        if not namesakes:
            absent.append(rule.name)
            continue
        other = min(namesakes, key=rule.unlike)
        surplus.remove(other)
        here, there = rule.beside(other)
        yield f"{rule.name} differs: Prometheus has {there}, the spec generates {here}"
    if absent:
        yield f"Prometheus does not run {', '.join(dict.fromkeys(absent))}"
    if surplus:
        names = ", ".join(dict.fromkeys(rule.name for rule in surplus))
        yield f"Prometheus runs {names} in {wanted.name}, which the spec does not generate"
    interval = running["interval"]
    if wanted.interval and interval and interval != wanted.interval:
        there, here = format_duration(interval), format_duration(wanted.interval)
        yield f"{wanted.name} differs: Prometheus evaluates it each {there}, the spec says {here}"


# ---------------------------------------------------------------- targets


def jobs_of(spec: Spec) -> list[str]:
    """The scrape jobs that tell of the services, the probes and Bascule's own processes."""
    return [*promql.watched(spec), *spec.role_jobs]


def own_targets(spec: Spec, targets: Iterable[Target]) -> list[Target]:
    """All that the spec's own Prometheus scrapes; of one that runs elsewhere, those of the spec's jobs."""
    if "prometheus" not in spec.stack.external:
        return list(targets)
    jobs = jobs_of(spec)
    return [target for target in targets if target.job in jobs]


def target_differences(spec: Spec, targets: Sequence[Target]) -> list[str]:
    """Empty where Prometheus scrapes what the spec generates. One that runs elsewhere may scrape more, and find the
    instances of a job itself: of each job it scrapes one that the spec names.
    """
    wanted, scraped = _wanted(spec), _by_job(targets)
    if "prometheus" in spec.stack.external:
        jobs = {job: instances for job, instances in wanted.items() if job not in OWN_JOBS}
        return [text for job, instances in jobs.items() if (text := _elsewhere(job, instances, scraped.get(job)))]
    others = [job for job in scraped if job not in wanted] if not spec.stack.scrape.discovery else []
    surplus = [f"Prometheus scrapes the job {job}, which the spec does not generate" for job in others]
    return [*(text for job, instances in wanted.items() for text in _own(job, instances, scraped.get(job))), *surplus]


def _wanted(spec: Spec) -> dict[str, set[str]]:
    """The instances of each job, as a scrape labels them."""
    found: dict[str, set[str]] = {}
    for job in scrape_configs(spec):
        for group in job.get("static_configs", ()):
            for target in group["targets"]:
                found.setdefault(job["job_name"], set()).add(group.get("labels", {}).get("instance", target))
    return found


def _by_job(targets: Iterable[Target]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for target in targets:
        found.setdefault(target.job, set()).add(target.instance)
    return found


def _elsewhere(job: str, wanted: set[str], scraped: set[str] | None) -> str:
    if scraped is None:
        return _not_scraped(job)
    return "" if wanted & scraped else f"{job} scrapes {_listed(scraped)}, the spec names {_listed(wanted)}"


def _own(job: str, wanted: set[str], scraped: set[str] | None) -> Iterator[str]:
    if scraped is None:
        yield _not_scraped(job)
        return
    if missing := wanted - scraped:
        yield f"{job} does not scrape {_listed(missing)}"
    if surplus := scraped - wanted:
        yield f"{job} scrapes {_listed(surplus)}, which the spec does not name"


def _not_scraped(job: str) -> str:
    return f"Prometheus does not scrape the job {job}"


def _listed(instances: Iterable[str]) -> str:
    return ", ".join(sorted(instances))
