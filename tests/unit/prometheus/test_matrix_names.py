"""The labels of a series without the metric's name, as bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.prometheus import nameless

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize("labels", [{}, {"A": "1"}, {"le": "1", "zone": '"__name__":"x",'}])
def test_only_the_name_is_left_out(labels):
    assert nameless(_written({"__name__": "requests_total", **labels})) == _written(labels)


@given(st.dictionaries(NAMES, st.text()), st.text())
def test_whatever_the_labels_are(labels, name):
    labels.pop("__name__", None)
    assert nameless(_written({**labels, "__name__": name})) == _written(labels)


def _written(labels):
    text = json.dumps(labels, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")[1:-1]
