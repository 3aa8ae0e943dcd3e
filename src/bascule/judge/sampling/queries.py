"""What Prometheus is asked: each selector of the signals once, and `up` of both versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bascule.judge.sampling.schema import CounterFeed, Schema
from bascule.spec import Matcher, Selector, Spec


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
    return [query for feeds in grouped.values() for query in _queries(schema.spec, tuple(feeds))]


def _queries(spec: Spec, feeds: tuple[CounterFeed, ...]) -> list[Query]:
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


def _up_selector(spec: Spec, version: str) -> str:
    jobs = [name for name, service in spec.services.items() if service.version == version]
    if jobs:
        return str(Selector("up", (Matcher("job", "=~", "|".join(jobs)),)))
    return str(Selector("up", spec.versions.matchers(version))) if spec.versions.select is not None else ""
