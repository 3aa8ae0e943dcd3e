"""A user's pattern is held against text from outside in bounded time, wherever that is done."""

from __future__ import annotations

import time

import pytest

from bascule.errors import QueryRejected
from bascule.patterns import fits
from bascule.prometheus.alertmanager import HeldSilence
from bascule.spec.selector import Matcher

COSTLY, LONG = "(a|aa)+", "a" * 60 + "!"  # a backtracking engine needs longer than the world is old


@pytest.mark.parametrize(
    ("pattern", "text", "is_it"),
    [("5..", "503", True), ("5..", "5033", False), ("a|b", "b", True), ("", "", True), (r"\w+", "é", False)],
)
def test_a_pattern_covers_the_whole_text_as_in_prometheus(pattern: str, text: str, is_it: bool) -> None:
    assert fits(pattern, text) is is_it


@pytest.mark.parametrize("pattern", [COSTLY, "(", "*", "(?<=a", "a{99999999999}"])
def test_what_cannot_be_followed_is_told_within_a_second(pattern: str) -> None:
    begun = time.process_time()
    with pytest.raises(QueryRejected):
        fits(pattern, LONG)
    assert time.process_time() - begun < 1


def test_a_costly_pattern_is_given_up_once_for_all() -> None:
    """A thousand alerts are held against each silence."""
    begun = time.process_time()
    for number in range(1000):
        with pytest.raises(QueryRejected):
            fits(COSTLY, f"{LONG}{number}")
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("pattern", [COSTLY, "("])
@pytest.mark.parametrize("is_equal", [True, False])
def test_a_silence_that_cannot_be_followed_silences_nothing(pattern: str, is_equal: bool) -> None:
    """Everybody on the machine may write one into Alertmanager."""
    matcher = {"name": "alertname", "value": pattern, "isRegex": True, "isEqual": is_equal}
    begun = time.process_time()
    assert not HeldSilence("1", [matcher], 0.0, 10.0, "").covers({"alertname": LONG}, 5.0)
    assert time.process_time() - begun < 1


def test_a_selector_of_the_spec_is_bounded_too() -> None:
    with pytest.raises(QueryRejected, match="takes too long"):
        Matcher("path", "=~", COSTLY).accepts(LONG)
