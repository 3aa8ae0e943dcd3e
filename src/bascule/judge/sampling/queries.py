"""What Prometheus is asked: each selector of the signals once, and `up` of both versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bascule.conventions import health_job, probe_job
from bascule.judge.sampling.schema import CounterFeed, Schema
from bascule.promql import PROBED
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.model import Service


@dataclass(frozen=True)
class Query:
    """One selector, everything it feeds, and how its series tell their version: `version`, or else by `label`."""

    text: str
    feeds: tuple[CounterFeed, ...]
    version: int | None
    label: str = ""
    versions: tuple[str, str] = ("", "")

    def version_of(self, labels: Mapping[str, str]) -> int | None:
        """BASELINE or CANDIDATE; None for a series of neither."""
        if self.version is not None:
            return self.version
        value = labels.get(self.label, "")
        return self.versions.index(value) if value in self.versions else None


def queries_of(schema: Schema) -> list[Query]:
    """Equal selectors are asked once; with a version label, once for both versions."""
    grouped: dict[str, list[CounterFeed]] = {}
    for feed in schema.feeds:
        grouped.setdefault(str(feed.counter.selector), []).append(feed)
    return [query for feeds in grouped.values() for query in _asked(schema.spec, tuple(feeds))]


def _asked(spec: Spec, feeds: tuple[CounterFeed, ...]) -> list[Query]:
    versions, selector = spec.versions, feeds[0].counter.selector
    if versions.select is None and versions.label is not None:
        both = Matcher(versions.label, "=~", "|".join(versions.both))
        return [Query(str(selector.where(both)), feeds, None, versions.label, versions.both)]
    return [
        Query(str(selector.where(*versions.matchers(name))), feeds, version)
        for version, name in enumerate(versions.both)
    ]


def up_selectors(spec: Spec) -> tuple[str, str]:
    """`up` of each version's targets; empty where the spec names neither services nor matchers for the version."""
    return _up_selector(spec, spec.versions.baseline), _up_selector(spec, spec.versions.candidate)


def oldest_scrape(spec: Spec) -> str | None:
    """When that target of both versions was scraped last whose last scrape is the oldest; None without `up`."""
    asked = [f"timestamp({selector})" for selector in up_selectors(spec) if selector]
    return f"min({' or '.join(asked)})" if asked else None


def probe_selectors(spec: Spec) -> tuple[str, str]:
    """The probes of each version's services; empty where it has none."""
    jobs = ((*unscraped_jobs(spec, version), *_further_probes(spec, version)) for version in spec.versions.both)
    old, new = (_of_jobs(PROBED, own) if own else "" for own in jobs)
    return old, new


def unscraped_jobs(spec: Spec, version: str) -> list[str]:
    """A version's services without metrics whose health address is looked at: their probe is their presence."""
    return [name for name, service in _services(spec, version) if service.page is None and service.health]


def _further_probes(spec: Spec, version: str) -> list[str]:
    """What is looked at beside: health addresses of services with metrics, and probes that name the version."""
    healths = [health_job(name) for name, service in _services(spec, version) if service.page and service.health]
    return [*healths, *(probe_job(name) for name, probe in spec.probes.items() if probe.version == version)]


def _services(spec: Spec, version: str) -> list[tuple[str, Service]]:
    return [(name, service) for name, service in spec.services.items() if service.version == version]


def _up_selector(spec: Spec, version: str) -> str:
    services = _services(spec, version)
    if jobs := [name for name, service in services if service.page is not None]:
        return _of_jobs("up", jobs)
    return str(Selector("up", spec.versions.matchers(version))) if spec.versions.select and not services else ""


def _of_jobs(metric: str, jobs: Sequence[str]) -> str:
    return str(Selector(metric, (Matcher("job", "=~", "|".join(jobs)),)))
