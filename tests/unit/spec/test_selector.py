"""Selectors are parsed by a real PromQL parser and written back without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.spec import Matcher, Selector


def test_a_selector_is_narrowed_and_written_back():
    selector = Selector.parse('http_requests_total{status=~"5.."}').where(version="v2")
    assert str(selector) == 'http_requests_total{status=~"5..",version="v2"}'
    assert selector.over("5m") == 'http_requests_total{status=~"5..",version="v2"}[5m]'


def test_the_name_may_stand_in_the_braces():
    assert Selector.parse('{__name__="a_total",job!="b"}') == Selector("a_total", (Matcher("job", "!=", "b"),))


@pytest.mark.parametrize("text", ["rate(a[5m])", "a offset 5m", "a{b=", '{job="x"}', "", "a + b"])
def test_anything_but_a_plain_selector_is_refused(text):
    with pytest.raises(ValueError):
        Selector.parse(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_label_value_survives_being_written_and_parsed(value):
    selector = Selector("up").where(job=value)
    assert Selector.parse(str(selector)) == selector
