"""The parts of the detection benchmark: which are meant, and what is kept of earlier ones."""

from __future__ import annotations

import json

import pytest
from bench import detection, harness

from bascule.errors import UsageError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", {"source": 10}),
        ("short", {"source": 10}),
        ("errors, latency", {"errors": 30, "latency": 10}),
        ("healthy:2,alike", {"healthy": 2, "alike": 60}),
        ("full", {"source": 10, "errors": 30, "latency": 10, "healthy": 60, "alike": 60}),
    ],
)
def test_parts_are_chosen_by_name_and_a_trial_by_its_size(text, parts):
    assert detection.wanted(text) == parts


@pytest.mark.parametrize("text", ["nothing", "errors:some", "errors,,latency"])
def test_what_is_no_part_is_told(text):
    with pytest.raises(UsageError, match="is not a part"):
        detection.wanted(text)


def test_parts_measured_earlier_stand_beside_the_new_ones_with_their_commit(tmp_path, monkeypatch):
    bar = {"name": "median", "value": 9.0, "unit": "s", "target": 12, "direction": "at_most"}
    earlier = {"errors": {"commit": "abc", "bars": [bar], "raw": {}}, "errors:2": {"commit": "abc", "bars": [bar]}}
    (tmp_path / "detection.json").write_text(json.dumps({"raw": earlier | {"runs": []}}))
    monkeypatch.setattr(harness, "OUTPUT", tmp_path)
    known = detection._measured()
    assert set(known) == {"errors"}
    assert [each.name for each in detection._together(known).bars] == ["errors: median (at abc)"]
