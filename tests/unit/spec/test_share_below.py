"""The share of events below a bound, of a histogram: a signal like any other share."""

from __future__ import annotations

import re

import pytest

from bascule.errors import SpecError
from bascule.generate import generate
from bascule.spec import parse
from bascule.spec.signals import CountedShare

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals:
  errors: {kind: ratio, bad: 'http_requests_total{status=~"5.."}', total: http_requests_total, better: lower}
  quick: {kind: share_below, metric: METRIC, bound: BOUND, harmful_increase: 1pt}
phases: [{share: 10%, hold: 1h, gates: {quick: ">95%"}}]
slas: {quick: {objective: 95%, window: 7d, signal: quick}}
"""


def declared(metric: str = "http_request_duration_seconds", bound: str = "300ms") -> CountedShare:
    signal = parse(SPEC.replace("METRIC", metric).replace("BOUND", bound)).signals["quick"]
    assert isinstance(signal, CountedShare)
    return signal


@pytest.mark.parametrize(
    ("metric", "bound", "le"),
    [
        ("http_request_duration_seconds", "300ms", ["0.3", "0.30", "3e-01"]),
        ("http_request_duration_seconds", "1", ["1", "1.0"]),
        ("http_server_duration_milliseconds", "300ms", ["300", "300.0", "3e+02"]),
    ],
)
def test_the_bound_is_a_bucket_however_a_client_writes_it(metric: str, bound: str, le: list[str]) -> None:
    signal = declared(metric, bound)
    assert (signal.events.metric, signal.all_events.metric) == (f"{metric}_bucket", f"{metric}_count")
    (matcher,) = signal.events.matchers
    assert all(re.fullmatch(matcher.value, each) for each in le)
    assert not any(re.fullmatch(matcher.value, each) for each in ("0.25", "3", "0.31", "+Inf", "30"))


def test_it_has_what_every_share_has() -> None:
    """Rules, gates and SLAs take it as they take a ratio of good events."""
    signal = declared()
    assert (signal.counts_good, signal.better, signal.is_share, signal.amount) == (True, "higher", True, "good")
    files = generate(parse(SPEC.replace("METRIC", "http_request_duration_seconds").replace("BOUND", "300ms")))
    assert "signal: quick" in files["prometheus/rules/signals.yml"]
    assert "sla: quick" in files["prometheus/rules/sla.yml"]


def test_what_no_share_below_has_is_refused_with_its_line() -> None:
    with pytest.raises(SpecError, match=r"signals\.quick\.total: unknown key"):
        parse(SPEC.replace("metric: METRIC", "metric: a_seconds, total: b").replace("BOUND", "1s"))
