"""The cardinality guard."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from bascule.conventions import LABEL_VALUES_CAPPED
from bascule.instrument import Instrument
from bascule.instrument.labels import Labels
from bascule.instrument.problems import Problems

from .conftest import Reading

LIMIT = 5


def _labels() -> tuple[Labels, Counter]:
    registry = CollectorRegistry()
    capped = Counter("capped", "", ["metric", "label"], registry=registry)
    return Labels(LIMIT, capped, Problems(Counter("problems", "", ["reason"], registry=registry))), capped


@given(st.lists(st.one_of(st.text(), st.integers(), st.none(), st.booleans(), st.lists(st.text()))))
def test_random_values_never_exceed_the_cap(values: list[object]) -> None:
    labels, capped = _labels()
    labels.declare("algorithm", ["nexten"])
    admitted = [labels.admit("m", "algorithm", value) for value in values]
    assert len(set(admitted) - {"nexten", "other", "unknown", "none"}) <= LIMIT
    counted = capped.labels("m", "algorithm")._value.get()
    assert counted == sum(1 for value, text in zip(values, admitted, strict=True) if text == "other" != value)


@given(st.sets(st.text(min_size=1), min_size=LIMIT + 1))
def test_declared_values_never_count_against_the_cap(names: set[str]) -> None:
    labels, _ = _labels()
    labels.declare("algorithm", names)
    assert [labels.admit("m", "algorithm", name) for name in names] == list(names)
    assert [labels.admit("m", "algorithm", f"new{n}x") for n in range(LIMIT)] == [f"new{n}x" for n in range(LIMIT)]


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
    labels, capped = _labels()
    assert labels.admit("m", "algorithm", value) == "other"
    assert capped.labels("m", "algorithm")._value.get() == 1


@pytest.mark.parametrize("value", ["nexten", "hybrid-v2", "k-means 3", "smart_match", "défaut", "llama-3.1-70b"])
def test_names_of_algorithms_do(value: str) -> None:
    assert _labels()[0].admit("m", "algorithm", value) == value


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
