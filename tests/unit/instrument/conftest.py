"""`make_instrument(version=…, **declared)`: an Instrument on a registry of its own, and `value` to read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from bascule.conventions import CLIENT_LEFT, HTTP_LEFT, HTTP_REQUESTS, INSTRUMENT_PROBLEMS
from bascule.instrument import Instrument

DECLARED = {
    "versions": ["v1", "v2"],
    "segments": ["enterprise", "api_partners", "freemium"],
    "partners": {"api_partners": ["acme", "globex"]},
    "endpoints": ["POST /api/v2/match"],
    "algorithms": ["nexten"],
}


def page_of(instrument: Instrument, **environ: str) -> str:
    """The metrics page, as a scraper gets it."""
    asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", **environ}
    return b"".join(instrument.metrics_app()(asked, lambda *arguments: None)).decode()


class Reading:
    """Reads samples of a registry, as a scraper would see them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)

    def sum(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name whose labels include these."""
        return sum(sample.value for sample in self._samples(name, labels))

    def all(self, name: str, label: str, **labels: str) -> list[tuple[str, float]]:
        """The label's value, and the sample's, of all samples of that name whose labels include these."""
        return [(sample.labels[label], sample.value) for sample in self._samples(name, labels)]

    def outcomes(self, **labels: str) -> dict[str, float]:
        """How many requests there were by their status; 499 are those whose clients left."""
        counted = {CLIENT_LEFT: self.sum(HTTP_LEFT.name, **labels)}
        for status, number in self.all(HTTP_REQUESTS.name, "status", **labels):
            counted[status] = counted.get(status, 0.0) + number
        return {status: number for status, number in counted.items() if number}

    def _samples(self, name: str, labels: dict[str, str]) -> Iterator[Sample]:
        for family in self._registry.restricted_registry([name]).collect():
            yield from (
                sample for sample in family.samples if sample.name == name and labels.items() <= sample.labels.items()
            )

    def problems(self, reason: str) -> float:
        return self(INSTRUMENT_PROBLEMS.name, reason=reason) or 0.0


@pytest.fixture
def declare(tmp_path: Path) -> Callable[..., Path]:
    """Writes an instrument.json of the given keys."""

    def write(**declared: Any) -> Path:
        path = tmp_path / "instrument.json"
        path.write_text(json.dumps(declared))
        return path

    return write


@pytest.fixture
def make_instrument(declare: Callable[..., Path]) -> Callable[..., Instrument]:
    def make(version: Any = "v2", declared: dict[str, Any] | None = None, **options: Any) -> Instrument:
        path = declare(**(DECLARED if declared is None else declared))
        return Instrument(version=version, config=path, registry=CollectorRegistry(), **options)

    return make


@pytest.fixture
def instrument(make_instrument: Callable[..., Instrument]) -> Instrument:
    return make_instrument()


@pytest.fixture
def value(instrument: Instrument) -> Reading:
    return Reading(instrument.registry)


@pytest.fixture
def reading() -> type[Reading]:
    return Reading
