"""What may be said of an SLA, and of how much of its window: one answer for pages, reports, mails and commands."""

from __future__ import annotations

import pytest

from bascule import slo
from bascule.conventions import State
from bascule.prometheus import Sample
from bascule.slo import Headline
from bascule.spec import parse
from bascule.states import Cause

DAY = 86400.0
SPEC = parse("""
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  shop-v1: {targets: ["127.0.0.1:1"], version: v1}
  shop-v2: {targets: ["127.0.0.1:2"], version: v2}
signals:
  errors: {kind: ratio, bad: 'requests{status=~"5.."}', total: requests, better: lower}
  took: {kind: histogram, metric: took_seconds, role: latency}
phases: [{share: 50%, hold: 1h}, {share: 100%, hold: 1h}]
slas:
  availability: {objective: 99.9%, window: 30d}
  error_rate: {objective: "< 0.5%", window: 30d}
  response_time: {objective: "95% < 100ms", window: 30d}
""")


def told(spent: float | None, covered: float, events: float | None = 1e6, name: str = "error_rate") -> Headline:
    return slo.headline(slo.resolve(SPEC, name), spent, covered, events)


def words(found: Headline, language: str = "en") -> str:
    return found.told(
        {State.OK: "kept", State.BAD: "missed"}.get(found.state, ""), lambda s: f"{s / DAY:g} d", language
    )


@pytest.mark.parametrize(
    ("spent", "days", "said"),
    [
        (0.0, 1, "kept so far (1 d of 30 d)"),
        (0.0, 26.9, "kept so far (26.9 d of 30 d)"),
        (0.0, 27, "kept"),
        (2.0, 1, "missed so far (1 d of 30 d)"),
        (31.0, 1, "missed"),  # more than the whole window allows, whatever else comes
        (1.1, 28, "missed"),
    ],
)
def test_an_outcome_says_how_much_of_its_window_it_is_of(spent: float, days: float, said: str) -> None:
    assert words(told(spent, days * DAY)) == said


@pytest.mark.parametrize(
    ("name", "spent", "events", "cause"),
    [
        ("error_rate", None, None, Cause.NO_SERIES),
        ("error_rate", None, 0.0, Cause.NO_TRAFFIC),
        ("error_rate", 0.0, 3.0, Cause.TOO_FEW),
        ("error_rate", None, 1e6, Cause.CONTRADICTION),
        ("response_time", None, 1e6, Cause.BUCKET),
        ("availability", None, 1e6, Cause.NO_SERIES),  # of one of its services
    ],
)
def test_no_data_has_a_cause(name: str, spent: float | None, events: float | None, cause: Cause) -> None:
    found = told(spent, DAY, events, name)
    assert (found.state, found.cause) == (State.NO_DATA, cause)
    assert words(found) == f"no data: {cause}"


class Exports:
    """A Prometheus with a series of each version: V2's has another label."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def instant(self, expression: str, at: float | None = None) -> list[Sample]:
        self.asked.append(expression)
        label = "code" if 'version="v2"' in expression else "status"
        return [Sample({"__name__": "requests", label: "200"}, 1.0, 0.0)]


def test_an_sla_that_counts_with_an_unproven_selector_is_found_once_for_its_signal() -> None:
    exports = Exports()
    found = slo.unproven_slas(SPEC, exports)
    assert [str(each) for each in found["error_rate"]] == [
        "signals.errors.bad of v2: its series have no label 'status'; they have code"
    ]
    assert set(found) == {"error_rate"}
    assert len(exports.asked) == len(set(exports.asked))


def test_what_an_unproven_selector_counts_cannot_be_kept_but_missed() -> None:
    found = slo.unproven_slas(SPEC, Exports())["error_rate"]
    assert words(slo.mistrusted(told(0.0, DAY), found)) == "no data: unproven"
    assert words(slo.mistrusted(told(0.0, DAY), ())) == "kept so far (1 d of 30 d)"
    assert words(slo.mistrusted(told(31.0, DAY), found)) == "missed"
    assert words(slo.mistrusted(told(None, 0.0, None), found)) == "no data: no series"


def test_no_data_without_a_cause_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="no data has a cause"):
        Headline(State.NO_DATA, 0.0, DAY)
    with pytest.raises(ValueError, match="nothing else has one"):
        Headline(State.OK, 0.0, DAY, 0.0, Cause.STALE)


def test_it_is_said_in_french_too() -> None:
    assert words(told(0.0, DAY), "fr") == "kept jusqu’ici (1 d sur 30 d)"
    assert words(told(None, 0.0, None), "fr") == "sans données : aucune série"
