"""The whole house on real parts: silence is no recovery, and a mix of segments is no regression. Three minutes."""

import threading
import time

import httpx
import pytest

from bascule.scenarios.house import standing

pytestmark = pytest.mark.real


def quiet(_text):
    """Nobody reads the progress of a test."""


def test_identical_versions_with_different_mixes_of_segments_raise_no_alarm(tmp_path):
    """Enterprise stays on V1 and has a tenth of the others' errors: pooled, V2 would look worse."""
    with standing(tmp_path, quiet, threading.Event(), profile="aa_uneven") as house:
        house.set_phase(0, "baseline")
        house.wait(30)
        house.set_phase(3, "half of the traffic")
        house.wait(75)
        assert house.incidents() == []
        signals = {(s.signal, s.segment): s.state for s in house.verdict().signals}
        assert signals["errors", "enterprise"] == "not_applicable"
        assert signals["errors", "freemium"] == "ok"


def test_a_killed_candidate_is_said_within_ten_seconds_and_silence_ends_no_alarm(tmp_path):
    with standing(tmp_path, quiet, threading.Event()) as house:
        house.set_phase(0, "baseline")
        house.wait(20)
        house.set_phase(3, "half of the traffic")
        house.wait(15)
        fault = house.lab.fault("v2", error_rate=0.3)
        house.wait_for("the alarm", lambda: alarms(house, fault), 30)
        crash = house.lab.fault("v2", crash=True)
        house.wait_for("the page to say that V2 is down", lambda: page_says_down(house), 10)
        assert time.time() - crash < 10
        house.wait(30)
        assert {incident.status for incident in alarms(house, fault)} == {"open"}
        assert house.verdict().verdict in ("roll_back", "no_data")


def alarms(house, since):
    return [i for i in house.incidents() if i.alert == "CandidateWorse" and i.received.timestamp() >= since]


def page_says_down(house):
    page = httpx.get(house.spec.stack.url("console"), timeout=5, trust_env=False).text
    return "supersmartmatch-v2" in page and "down" in page.lower()
