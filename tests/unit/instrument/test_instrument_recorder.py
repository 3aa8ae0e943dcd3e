"""Recording what a service did."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from bascule import conventions
from bascule import instrument as module
from bascule.errors import UsageError
from bascule.instrument import Instrument

from .conftest import DECLARED, Reading, page_of


def test_a_match_counts_in_accuracy_matches_and_value(instrument: Instrument, value: Reading) -> None:
    instrument.record_match_result("v2", "nexten", "enterprise", 0.93, True, value=12.5)
    instrument.record_match_result("v2", "nexten", "enterprise", 0.40, False, value=7.0)
    here = {"version": "v2", "algorithm": "nexten", "user_segment": "enterprise"}
    assert value("supersmartmatch_matches_total", success="True", **here) == 1
    assert value("supersmartmatch_matches_total", success="False", **here) == 1
    assert value("supersmartmatch_accuracy_score_bucket", le="0.95", **here) == 2
    assert value("supersmartmatch_accuracy_score_bucket", le="0.9", **here) == 1
    assert value("supersmartmatch_match_value_total", version="v2", user_segment="enterprise") == 12.5
    assert value("supersmartmatch_match_value_squared_total", version="v2", user_segment="enterprise") == 156.25


def test_each_other_event_counts_in_its_own_metric(instrument: Instrument, value: Reading) -> None:
    instrument.record_rating("v2", "freemium", 4)
    instrument.record_fallback("v2", "/api/v2/match", "freemium")
    instrument.record_cache("v2", hit=True)
    instrument.record_cache("v2", hit=False)
    instrument.record_format_check("v2", "acme", compatible=False)
    instrument.record_rate_limit("v2", "api_partners", "acme", allowed=False)
    instrument.set_active_users("v2", "freemium", 17)
    assert value("supersmartmatch_user_rating_sum", version="v2", user_segment="freemium") == 4
    assert value.sum("supersmartmatch_fallback_answers_total", endpoint="/api/v2/match") == 1
    assert value("supersmartmatch_cache_requests_total", version="v2", result="hit") == 1
    assert value("supersmartmatch_cache_requests_total", version="v2", result="miss") == 1
    assert value("supersmartmatch_format_checks_total", version="v2", partner="acme", compatible="False") == 1
    assert value.sum("supersmartmatch_rate_limit_requests_total", partner="acme", decision="refused") == 1
    assert value("supersmartmatch_active_users", version="v2", user_type="freemium") == 17
    assert value("supersmartmatch_build_info", version="v2", revision="unknown") == 1


@pytest.mark.parametrize("accuracy", [math.nan, -0.1, 1.1, math.inf, "high", None, [0.9]])
def test_a_bad_accuracy_is_refused_and_counted_and_the_match_still_counts(
    instrument: Instrument, value: Reading, accuracy: Any
) -> None:
    instrument.record_match_result("v2", "nexten", "enterprise", accuracy, True)
    assert value.sum("supersmartmatch_matches_total", version="v2") == 1
    assert value.sum("supersmartmatch_accuracy_score_count", version="v2") == 0
    assert value.problems("bad_accuracy") == 1


@pytest.mark.parametrize("amount", [math.nan, -1.0, math.inf, "12"])
def test_a_bad_value_is_refused_and_counted(instrument: Instrument, value: Reading, amount: Any) -> None:
    instrument.record_match_result("v2", "nexten", "enterprise", 0.9, True, value=amount)
    assert value.sum("supersmartmatch_matches_total", version="v2") == 1
    assert value.sum("supersmartmatch_match_value_total") == 0
    assert value.problems("bad_value") == 1


@pytest.mark.parametrize("stars", [0, 6, math.nan, None])
def test_a_bad_rating_is_refused_and_counted(instrument: Instrument, value: Reading, stars: Any) -> None:
    instrument.record_rating("v2", "freemium", stars)
    assert value.sum("supersmartmatch_user_rating_count") == 0
    assert value.problems("bad_rating") == 1


def test_a_problem_is_logged_once_and_counted_each_time(
    instrument: Instrument, value: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bascule.instrument"):
        for _ in range(3):
            instrument.record_rating("v2", "freemium", math.nan)
    assert value.problems("bad_rating") == 3
    assert len([record for record in caplog.records if "bad_rating" in record.getMessage()]) == 1


junk = st.one_of(
    st.none(), st.text(), st.floats(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.text())
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk, junk, junk, junk, junk, junk)
def test_no_call_raises_whatever_it_is_given(
    instrument: Instrument, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any
) -> None:
    instrument.record_match_result(a, b, c, d, e, f)
    instrument.record_rating(a, b, c)
    instrument.record_fallback(a, b, c)
    instrument.record_cache(a, b)
    instrument.record_format_check(a, b, c)
    instrument.record_rate_limit(a, b, c, d)
    instrument.set_active_users(a, b, c)
    instrument.update_traffic_split(a, b)


def test_the_traffic_split_is_absent_without_traffic(instrument: Instrument, value: Reading) -> None:
    instrument.update_traffic_split(30, 10)
    assert value("supersmartmatch_traffic_split_ratio", version="v2") == 0.25
    instrument.update_traffic_split(0, 0)
    assert "supersmartmatch_traffic_split_ratio{" not in page_of(instrument)


def test_declared_label_sets_exist_at_zero_before_the_first_event(instrument: Instrument, value: Reading) -> None:
    where = {"version": "v2", "endpoint": "/api/v2/match", "method": "POST", "user_segment": "api_partners"}
    for partner in ("acme", "globex"):
        for status in ("200", "500", "503", "599"):
            assert value("http_requests_total", status=status, partner=partner, **where) == 0
    assert value("http_request_duration_seconds_count", **where) == 0
    for success in ("True", "False"):
        labels = {"version": "v2", "algorithm": "nexten", "user_segment": "freemium", "success": success}
        assert value("supersmartmatch_matches_total", **labels) == 0
    assert value("supersmartmatch_cache_requests_total", version="v2", result="miss") == 0


def test_increments_of_concurrent_threads_are_not_lost(instrument: Instrument, value: Reading) -> None:
    def work() -> None:
        for n in range(2_000):
            instrument.record_match_result("v2", "nexten", "enterprise", 0.9, n % 2 == 0, 2.0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value.sum("supersmartmatch_matches_total", version="v2") == 16_000
    assert value("supersmartmatch_match_value_total", version="v2", user_segment="enterprise") == 16_000


def test_buckets_hold_every_declared_target_and_may_be_replaced(make_instrument: Callable[..., Instrument]) -> None:
    assert {0.03, 0.05, 0.1, 0.15, 0.2} <= set(conventions.HTTP_DURATION.buckets)
    assert {0.85, 0.95} <= set(conventions.MATCH_ACCURACY.buckets)
    instrument = make_instrument(declared=DECLARED | {"buckets": {"http_request_duration_seconds": [0.03, 0.07]}})
    bounds = {
        sample.labels["le"]
        for family in instrument.registry.collect()
        if family.name == "http_request_duration_seconds"
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }
    assert bounds == {"0.03", "0.07", "+Inf"}


def test_every_metric_of_the_canonical_table_is_exported(instrument: Instrument) -> None:
    exported = {family.name for family in instrument.registry.collect()}
    assert {
        metric.name.removesuffix("_total") for metric in conventions.METRICS if metric.producer == "instrument"
    } <= exported


def test_one_registry_has_one_configuration(make_instrument: Callable[..., Instrument], tmp_path: Any) -> None:
    first = make_instrument()
    assert Instrument(version="v1", registry=first.registry).registry is first.registry
    other = tmp_path / "other.json"
    other.write_text('{"segments": ["else"]}')
    with pytest.raises(UsageError, match="another configuration"):
        Instrument(version="v1", config=other, registry=first.registry)


def test_the_source_documents_names_work_as_written() -> None:
    from prometheus_client import REGISTRY

    from bascule.instrument import (
        ACTIVE_USERS,
        MATCH_ACCURACY,
        RESPONSE_TIME,
        TRAFFIC_SPLIT,
        record_match_result,
        update_traffic_split,
    )

    record_match_result(version="v2", algorithm="nexten", user_segment="enterprise", accuracy=0.9, success=True)
    MATCH_ACCURACY.labels(version="v2", algorithm="nexten", user_segment="enterprise").observe(0.8)
    ACTIVE_USERS.labels(version="v2", user_type="enterprise").set(3)
    RESPONSE_TIME.labels(version="v2", endpoint="/match", method="POST").observe(0.04)
    update_traffic_split(3, 1)
    labels = {"version": "v2", "algorithm": "nexten", "user_segment": "enterprise"}
    assert REGISTRY.get_sample_value("supersmartmatch_accuracy_score_count", labels) == 2
    assert REGISTRY.get_sample_value("supersmartmatch_matches_total", labels | {"success": "True"}) == 1
    timed = {"version": "v2", "endpoint": "/match", "method": "POST"}
    assert REGISTRY.get_sample_value("supersmartmatch_response_time_seconds_count", timed) == 1
    assert TRAFFIC_SPLIT.labels("v1")._value.get() == 0.75


def test_every_public_name_exists() -> None:
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError):
        module.ABSENT  # noqa: B018


def test_two_instruments_on_the_default_registry_share_its_metrics() -> None:
    assert Instrument(version="v1").registry is Instrument(version="v2").registry
    assert isinstance(Instrument(version="v1", registry=CollectorRegistry()).registry, CollectorRegistry)
