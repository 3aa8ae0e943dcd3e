"""Selectors are parsed by a real PromQL parser and written back without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.discover.verify import selectors_of
from bascule.spec import Matcher, Selector
from bascule.spec.selector import parse_matchers


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


def test_a_pattern_of_names_is_kept_narrowed_and_given_a_suffix():
    """For a version that stands in the metric's name."""
    selector = Selector.parse('{__name__=~"shop_(v1|v2)_seconds",job="shop"}')
    assert selector == Selector("shop_(v1|v2)_seconds", (Matcher("job", "=", "shop"),))
    buckets = selector.named(f"{selector.metric}_bucket").where(*parse_matchers('__name__=~".*_v2_.*"'))
    assert str(buckets) == '{__name__=~"shop_(v1|v2)_seconds_bucket",job="shop",__name__=~".*_v2_.*"}'
    assert buckets.names == ["shop_v1_seconds_bucket", "shop_v2_seconds_bucket"]
    assert Selector("a_v[12]_total").names == ["a_v1_total", "a_v2_total"]
    assert Selector.parse(str(selector)) == selector


@pytest.mark.parametrize("text", ["", "job", 'job="a"} or {job="b"', "rate(x)"])
def test_what_is_no_label_matcher_is_refused(text):
    with pytest.raises(ValueError):
        parse_matchers(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('m{a="x" or b="y"}', "'or' between matchers"),
        ('m{"a"="x"}', "is quoted, but a name is expected"),
        ('{"m"}', "is quoted, but a name is expected"),
        ('{__name__="a.b"}', "needs quotes in PromQL.*metric_name_escaping_scheme: underscores"),
        ('{"a.b"}', "needs quotes in PromQL"),
        ("a.b", "'a.b' needs quotes in PromQL"),
        ('a.b_total{c="d"}', "'a.b_total' needs quotes in PromQL"),
        ('m{"service.version"="v2"}', "'service.version' needs quotes in PromQL"),
        ('m{a=~"x**"}', "not PromQL|repeats"),
        ('m{a=~"[a&&b]"}', "RE2"),
        ('m{a=~"(?x) a"}', "RE2|repeats"),
        ('m{a=~"[[:alpha:]]+"}', "RE2"),
        ('m{a="\\xff"}', "incomplete character"),
        ('{__name__=~"' + "a_(b|c)" * 30 + '"}', "more than 1000 names"),
        ('{__name__=~"' + "(a)" * 2000 + '"}', "more than 1000 names"),
        ('m{a=~"' + "b|" * 10_000 + '"}', "longer than 10000 characters"),
    ],
)
def test_what_prometheus_does_not_take_as_it_is_written_is_refused(text, why):
    """The parser takes all of these, and drops or changes a part of some."""
    with pytest.raises(ValueError, match=why):
        Selector.parse(text)


@pytest.mark.parametrize("text", ['job="a" or env="b"', 'job="a"} #', 'job="a"} offset 5m #', 'job=~"[a&&b]"'])
def test_matchers_that_would_be_lost_are_refused(text):
    with pytest.raises(ValueError):
        parse_matchers(text)


def test_escapes_survive():
    selector = Selector.parse(r'm{path=~"/api/\\w+",tab="a\tb"}')
    assert [matcher.value for matcher in selector.matchers] == [r"/api/\w+", "a\tb"]
    assert Selector.parse(str(selector)) == selector
    (printed,) = selectors_of(f"rate({selector}[5m] offset 1m)")
    assert Selector.parse(printed) == selector
