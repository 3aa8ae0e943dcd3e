"""The cardinality guard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from bascule.conventions import LABEL_VALUES_CAPPED
from bascule.instrument import Instrument

from .conftest import Reading

LIMIT = 5


def _admitted(values: Iterable[Any], declared: Iterable[str] = ("nexten",)) -> tuple[list[str], Reading]:
    """As what algorithm each value is recorded; and the registry's figures."""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "instrument.json"
        config.write_text(json.dumps({"algorithms": list(declared), "label_limit": LIMIT}))
        instrument = Instrument("v2", config, CollectorRegistry())
    value, admitted = Reading(instrument.registry), []
    for each in values:
        before = dict(value.all("supersmartmatch_matches_total", "algorithm"))
        instrument.record_match_result("v2", each, "freemium", 0.9, True)
        now = value.all("supersmartmatch_matches_total", "algorithm")
        admitted += [algorithm for algorithm, number in now if number != before.get(algorithm, 0)]
    return admitted, value


def _capped(value: Reading) -> float:
    return value(LABEL_VALUES_CAPPED.name, metric="supersmartmatch_matches_total", label="algorithm") or 0.0


@settings(max_examples=50)
@given(st.lists(st.one_of(st.text(), st.integers(), st.none(), st.booleans(), st.lists(st.text()))))
def test_random_values_never_exceed_the_cap(values: list[Any]) -> None:
    admitted, value = _admitted(values)
    assert len(admitted) == len(values)
    assert len(set(admitted) - {"nexten", "other", "unknown", "none"}) <= LIMIT
    pairs = zip(values, admitted, strict=True)
    assert _capped(value) == sum(1 for value, text in pairs if text == "other" != value)


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=200)


@settings(max_examples=50)
@given(st.sets(names, min_size=LIMIT + 1, max_size=3 * LIMIT))
def test_declared_values_never_count_against_the_cap(declared: set[str]) -> None:
    new = [f"new{number}x" for number in range(LIMIT)]
    admitted, value = _admitted([*declared, *new], declared)
    assert admitted == [*declared, *new]
    assert _capped(value) == 0


@pytest.mark.parametrize(
    "value",
    [
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "job-20260131",
        "someone@example.com",
        '{"skills": ["python"]}',
        "Traceback (most recent call last):\n  File",
        "x" * 200,
        "\ud800",  # no UTF-8: it would break the whole page
    ],
)
def test_ids_and_dumps_never_become_labels(value: str) -> None:
    admitted, figures = _admitted([value])
    assert admitted == ["other"]
    assert _capped(figures) == 1


@pytest.mark.parametrize("value", ["nexten", "hybrid-v2", "k-means 3", "smart_match", "défaut", "llama-3.1-70b"])
def test_names_of_algorithms_do(value: str) -> None:
    assert _admitted([value])[0] == [value]


def test_the_cap_holds_under_threads(make_instrument: Callable[..., Instrument], reading: type[Reading]) -> None:
    instrument = make_instrument(declared={"label_limit": 3})
    calls = [(f"algorithm-{n % 50}", thread) for n in range(500) for thread in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda call: instrument.record_match_result("v2", call[0], "freemium", 0.9, True), calls))
    families = {family.name: family for family in instrument.registry.collect()}
    algorithms = {sample.labels["algorithm"] for sample in families["supersmartmatch_matches"].samples}
    assert len(algorithms) == 4  # three, and `other`
    assert reading(instrument.registry).sum("supersmartmatch_matches_total") == len(calls)
    assert reading(instrument.registry).sum(LABEL_VALUES_CAPPED.name, metric="supersmartmatch_matches_total") > 0


def test_once_segments_are_declared_others_are_unknown(instrument: Instrument, value: Reading) -> None:
    instrument.record_match_result("v2", "nexten", "enterprize", 0.9, True)
    instrument.record_match_result("v3", "nexten", "enterprise", 0.9, True)
    assert value.sum("supersmartmatch_matches_total", user_segment="unknown") == 1
    assert value.sum("supersmartmatch_matches_total", version="unknown") == 1
    assert value.problems("unknown_user_segment") > 0
    assert value.problems("unknown_version") > 0
