"""The whole house on real parts: a mix of segments is no regression. Two minutes."""

import threading

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
