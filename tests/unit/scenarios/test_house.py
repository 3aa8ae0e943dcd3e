"""What can be asked of a running stack."""

from __future__ import annotations

import threading

import pytest

from bascule.api.models.verdict import VerdictAnswer
from bascule.errors import Unreachable
from bascule.scenarios.house import FORGOTTEN, Stopped, Watched, most_evidence
from bascule.spec import load

LEFT = {"signal": "errors", "segment": "freemium", "evidence": 4.2, "detectable_ratio": 3.0}
GONE = {"signal": "errors", "segment": "all", "evidence": 0.0, "detectable_ratio": 3.0}
MEAN = {"signal": "satisfaction", "segment": "all", "evidence": 6.0}


def verdict(*signals):
    said = {"migration": "shop", "verdict": "hold", "since": "2026-01-01T00:00:00Z", "reasons": []}
    return VerdictAnswer(**said, signals=signals)


@pytest.fixture
def house():
    """Time passes at once."""
    watched = Watched(load("supersmartmatch"), threading.Event())
    watched.wait = lambda seconds: None
    return watched


def test_evidence_is_left_in_any_comparison_but_that_of_a_mean():
    assert most_evidence(verdict(LEFT, GONE, MEAN)) == 4.2
    assert most_evidence(verdict(GONE, MEAN)) < FORGOTTEN


def test_a_fault_is_forgotten_when_no_comparison_has_evidence_left_of_it(house):
    said = [Unreachable("the judge restarts", "wait"), verdict(LEFT), verdict(GONE)]

    def answer():
        if isinstance(said[0], VerdictAnswer):
            return said.pop(0)
        raise said.pop(0)

    house.verdict = answer
    assert house.forget(30.0) == 0.0
    assert said == []


def test_what_is_not_forgotten_is_waited_for_no_longer_than_is_allowed(house):
    house.verdict = lambda: verdict(LEFT)
    assert house.forget(0.0) == 4.2


def test_a_user_stops_a_house_that_does_not_forget(house):
    house.verdict = lambda: verdict(LEFT)
    house.stop.set()
    del house.wait
    with pytest.raises(Stopped):
        house.forget(30.0)
