"""What an expression reads, and what its results with certain labels rest on."""

from __future__ import annotations

from bascule.promql import read_by, valued_by
from bascule.spec import Matcher

V1 = Matcher("version", "=", "v1")


def told(*selectors: object) -> list[str]:
    return [str(each) for each in selectors]


def test_every_selector_is_read_and_a_condition_gives_no_value() -> None:
    expression = "rate(a[5m]) / b > 1 and on (job) c unless d"
    assert told(*read_by(expression)) == ["a", "b", "c", "d"]
    assert told(*valued_by(expression)) == ["a", "b"]
    assert told(*valued_by("absent(a) or absent_over_time(b[5m]) or c")) == ["c"]


def test_the_labels_of_a_result_are_those_of_what_it_rests_on() -> None:
    found = valued_by('sum by (version) (a{job="x"}) / ignoring (version) b', V1)
    assert told(*found) == ['a{job="x",version="v1"}', 'b{version="v1"}']
    assert told(*valued_by('a{version="v1"}', V1)) == ['a{version="v1"}']


def test_a_label_that_the_expression_makes_says_nothing_about_what_it_rests_on() -> None:
    assert told(*valued_by('label_replace(a, "version", "$1", "app", "(.*)") + b', V1)) == ["a", 'b{version="v1"}']
