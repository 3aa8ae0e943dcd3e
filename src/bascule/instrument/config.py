"""`instrument.json`: what a service may expect to see, so that its series exist at zero before the first event.

`bascule generate` writes it from the spec; services read it with the standard library. Every key is optional:

    {
      "versions":    ["v1", "v2"],
      "segments":    ["enterprise", "api_partners", "freemium"],
      "partners":    {"api_partners": ["acme", "globex"]},
      "endpoints":   ["/api/v1/match", "POST /api/v2/match"],
      "methods":     ["GET", "POST"],
      "algorithms":  ["nexten"],
      "buckets":     {"http_request_duration_seconds": [0.03, 0.05, 0.1, 0.2]},
      "label_limit": 100,
      "patience":    10
    }

An endpoint is a route template as the framework writes it. With a method before it, it exists at zero for that
method alone, else for every method of `methods` (by default GET and POST). A segment without partners gets `none`.
Versions and segments are closed lists once declared: anything else is recorded as `unknown`. Of partners,
endpoints, methods and algorithms, up to `label_limit` undeclared values are kept per label, then `other`.
Buckets replace those of the canonical table; the bound at infinity is added. A client that leaves before it has waited
`patience` seconds has the status 499, a later one 599; `bascule generate` writes ten times the spec's p99 target.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bascule.conventions import METRICS, NONE, PATIENCE_SECONDS
from bascule.errors import UsageError

DEFAULT_METHODS = ("GET", "POST")


@dataclass(frozen=True)
class Config:
    """The declared label values and buckets; an empty one declares nothing."""

    versions: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    partners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    endpoints: tuple[str, ...] = ()
    methods: tuple[str, ...] = DEFAULT_METHODS
    algorithms: tuple[str, ...] = ()
    buckets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    label_limit: int = 100
    patience: float = PATIENCE_SECONDS

    def routes(self) -> Iterator[tuple[str, str]]:
        """Each declared (endpoint, method)."""
        for entry in self.endpoints:
            method, space, endpoint = entry.partition(" ")
            if space:
                yield endpoint, method
            else:
                yield from ((entry, method) for method in self.methods)

    def clients(self) -> Iterator[tuple[str, str]]:
        """Each declared (segment, partner)."""
        for segment in self.segments:
            yield from ((segment, partner) for partner in self.partners.get(segment) or (NONE,))


def load_config(path: Path | str) -> Config:
    """Read an `instrument.json`; a file that cannot be used is a UsageError naming the key."""
    try:
        document = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "write it with `bascule generate`") from error
    except ValueError as error:
        raise UsageError(f"{path}: is not JSON: {error}", "write it with `bascule generate`") from error
    return _Reader(str(path)).config(document)


@dataclass(frozen=True)
class _Reader:
    """Turns a JSON document into a Config, naming the file and the key of what is wrong."""

    path: str

    def config(self, document: Any) -> Config:
        known = {entry.name for entry in fields(Config)}
        if not isinstance(document, dict):
            raise self.wrong("the document", "an object with keys such as segments and endpoints")
        if unknown := sorted(set(document) - known):
            raise self.wrong(unknown[0], f"one of {', '.join(sorted(known))}")
        return Config(**{key: self.value(key, value) for key, value in document.items()})

    def value(self, key: str, value: Any) -> Any:
        special = {
            "partners": self.partners,
            "buckets": self.buckets,
            "label_limit": self.limit,
            "patience": self.seconds,
        }
        return special.get(key, self.texts)(key, value)

    def texts(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(
            isinstance(entry, str) and entry and entry.isprintable() for entry in value
        ):
            raise self.wrong(key, 'a list of texts, such as ["a", "b"]')
        return tuple(dict.fromkeys(value))

    def partners(self, key: str, value: Any) -> dict[str, tuple[str, ...]]:
        if not isinstance(value, dict):
            raise self.wrong(key, 'lists of partners by segment, such as {"api_partners": ["acme"]}')
        return {segment: self.texts(f"{key}.{segment}", entries) for segment, entries in value.items()}

    def buckets(self, key: str, value: Any) -> dict[str, tuple[float, ...]]:
        histograms = {metric.name for metric in METRICS if metric.kind == "histogram"}
        if not isinstance(value, dict) or set(value) - histograms:
            raise self.wrong(key, f"bounds by metric, of {', '.join(sorted(histograms))}")
        return {metric: self.bounds(f"{key}.{metric}", bounds) for metric, bounds in value.items()}

    def bounds(self, key: str, value: Any) -> tuple[float, ...]:
        numbers = isinstance(value, list) and all(type(bound) in (int, float) for bound in value)
        if not numbers or not value or sorted(set(value)) != value or not all(map(math.isfinite, value)):
            raise self.wrong(key, "finite numbers in rising order, such as [0.03, 0.05, 0.1]")
        return tuple(float(bound) for bound in value)

    def limit(self, key: str, value: Any) -> int:
        if type(value) is not int or value < 0:
            raise self.wrong(key, "a whole number, such as 100")
        return value

    def seconds(self, key: str, value: Any) -> float:
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise self.wrong(key, "seconds, greater than zero, such as 10")
        return float(value)

    def wrong(self, key: str, expected: str) -> UsageError:
        return UsageError(f"{self.path}: {key} is not valid", f"expected: {expected}")
