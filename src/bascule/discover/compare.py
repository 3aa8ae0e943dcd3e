"""A spec compared with a running Prometheus: which services it scrapes, how often, and what the signals match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bascule import promql
from bascule.discover.verify import CheckedExpression, signals
from bascule.prometheus import Prometheus, Target
from bascule.spec import Spec
from bascule.spec.quantities import format_duration, parse_duration


@dataclass(frozen=True)
class Difference:
    """What the spec says at a key, and this Prometheus does not do; `fix` says how to bring them together."""

    key: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.key}: {self.what} ({self.fix})"


@dataclass(frozen=True)
class Compared:
    """`differences` are wrong now; `signals` has a finding for each selector and version."""

    differences: tuple[Difference, ...]
    signals: tuple[CheckedExpression, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences and all(finding.state != "error" for finding in self.signals)


def compare(spec: Spec, prometheus: Prometheus) -> Compared:
    """Raises Unreachable when Prometheus does not answer, QueryRejected when something else does."""
    targets = [target for target in prometheus.targets() if target.job in spec.services]
    differences = (*_services(spec, targets), *_times(spec, targets))
    return Compared(differences, tuple(signals(spec, prometheus)))


def _services(spec: Spec, targets: Sequence[Target]) -> Iterator[Difference]:
    """Services that are not scraped, and targets whose scrapes fail."""
    scraped = {target.job for target in targets}
    wanted = [job for job in promql.watched(spec) if job in spec.services]
    for name in (name for name in wanted if name not in scraped):
        fix = "add a job of this name; `bascule generate` writes it into prometheus/prometheus.yml"
        yield Difference(f"services.{name}", f"no scrape job {name!r}", fix)
    for target in targets:
        if target.health == "down":
            what = f"scraping {target.instance} fails: {target.last_error}"
            yield Difference(f"services.{target.job}", what, "check that the service runs and where its metrics are")


def _times(spec: Spec, targets: Sequence[Target]) -> Iterator[Difference]:
    """Where this Prometheus scrapes at other times than the spec says."""
    scrape = spec.stack.scrape
    targets = [target for target in targets if spec.services[target.job].page is not None]
    yield from _time("interval", scrape.interval, {target.job: target.scrape_interval for target in targets})
    yield from _time("timeout", scrape.timeout, {target.job: target.scrape_timeout for target in targets})


def _time(key: str, mine: float, theirs: Mapping[str, str]) -> Iterator[Difference]:
    """`theirs`: the time of each job as Prometheus writes it; empty where it is not told."""
    for text in sorted(set(theirs.values()) - {""}):
        if not _is(text, mine):
            jobs = ", ".join(job for job, time in theirs.items() if time == text)
            what = f"the spec says {format_duration(mine)}, this Prometheus has {text} for {jobs}"
            yield Difference(f"stack.scrape.{key}", what, f"write `{key}: {text}`, or change its configuration")


def _is(text: str, seconds: float) -> bool:
    try:
        return parse_duration(text) == seconds
    except ValueError:  # some other server's way to write a time: people compare it
        return False
