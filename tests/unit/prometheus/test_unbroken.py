"""Since when rules can decide on a server that does not say when it started."""

from __future__ import annotations

import numpy as np
import pytest

from bascule.prometheus import Series
from bascule.prometheus.unbroken import Unbroken, last_break

NOW = 1000.0


def scraped(*times: float) -> Series:
    return Series({"job": "shop"}, np.array(times), np.ones(len(times)))


class Samples:
    """Of one target, each second until `until`, without those of `lost`."""

    def __init__(self) -> None:
        self.until = NOW
        self.lost = (0.0, 0.0)

    def raw(self, selector: str, seconds: float) -> list[Series]:
        first = int(self.until - seconds)
        kept = [t for t in range(first, int(self.until) + 1) if not self.lost[0] < t < self.lost[1]]
        return [scraped(*map(float, kept))]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([995, 996, 997, 998, 999], -np.inf),
        ([990, 991, 993, 994, 996, 997, 999], -np.inf),
        ([980, 981, 982, 992, 993, 994, 995, 996, 997, 998, 999], 992),
        ([980, 981, 982, 983, 984], NOW),
        ([988, 989, 990, 991, 992, 993, 994], -np.inf),
        ([999], NOW),
    ],
    ids=["none", "a scrape is missed", "a gap", "its sender is away", "sent late", "just begun"],
)
def test_samples_say_when_they_were_last_missing(times, expected):
    assert last_break([scraped(*times)], NOW) == expected


def test_nothing_is_decided_without_samples():
    assert last_break([], NOW) == NOW


def test_a_gap_of_one_target_counts_for_all():
    steady = scraped(*range(980, 1000))
    assert last_break([steady, scraped(980, 981, 982, 990, 991, 992, 993, 994, 995, 996, 997, 998, 999)], NOW) == 990


@pytest.fixture
def samples():
    return Samples()


@pytest.fixture
def watch(samples):
    """Asked once, at NOW."""
    made = Unbroken(samples, 1.0)
    assert made.since(NOW, {"Down": True}) == NOW
    return made


def asked(watch, samples, at, **evaluated):
    samples.until = at
    return watch.since(at, evaluated)


def test_what_answers_on_and_on_has_done_so_since_it_was_first_asked(watch, samples):
    assert [asked(watch, samples, NOW + second, Down=True) for second in range(1, 20)] == [NOW] * 19


def test_an_answer_that_did_not_come_is_a_break(watch, samples):
    watch.broke(NOW + 5)
    assert asked(watch, samples, NOW + 6, Down=True) == NOW + 5


def test_a_rule_that_is_no_longer_evaluated_was_started_again_after_the_last_answer(watch, samples):
    assert asked(watch, samples, NOW + 7, Down=False) == NOW
    assert asked(watch, samples, NOW + 8, Down=True) == NOW
    assert asked(watch, samples, NOW + 9, Down=False) == NOW + 8


def test_a_rule_that_is_new_breaks_nothing(watch, samples):
    assert asked(watch, samples, NOW + 3, Down=True, New=False) == NOW


def test_a_time_without_a_question_is_a_break(watch, samples):
    assert asked(watch, samples, NOW + 16, Down=True) == NOW + 16


def test_a_break_is_remembered_when_its_gap_is_long_ago(watch, samples):
    samples.lost = (NOW + 1, NOW + 9)
    found = [asked(watch, samples, NOW + second, Down=True) for second in range(10, 60)]
    assert set(found) == {NOW + 9}


def test_samples_that_come_late_and_all_at_once_were_missing(watch, samples):
    samples.until = NOW + 1
    assert watch.since(NOW + 12, {"Down": True}) == NOW + 12
    assert asked(watch, samples, NOW + 13, Down=True) == NOW + 12
