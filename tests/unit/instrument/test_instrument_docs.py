"""The truth tables of docs/instrument.md, which `make real NAME=outcomes` plays."""

from __future__ import annotations

import outcomes


def test_the_main_table_has_every_case_and_no_other() -> None:
    assert list(outcomes.counted_as()) == list(outcomes.CASES)


def test_the_differences_name_only_what_is_played() -> None:
    for cases, servers, frameworks, _ in outcomes.differences():
        assert set(cases) <= set(outcomes.CASES)
        assert set(servers) <= {*outcomes.SERVERS, outcomes.ANY}
        assert set(frameworks) <= {*outcomes.FRAMEWORKS, outcomes.ANY}


def test_each_difference_is_one() -> None:
    """It decides some cell, and not as the main table does."""
    for cases, _, _, counted in outcomes.differences():
        for case in cases:
            cells = [outcomes.truth(*pair, case) for pair in outcomes.pairs() if outcomes.plays(*pair, case)]
            assert counted in cells
            assert counted != outcomes.counted_as()[case]
