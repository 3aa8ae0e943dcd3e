"""A thousand random worlds, which the judge reads as the plain reading does: looks to the bit, availability to 1e-9."""

from __future__ import annotations

import judge_beside
import pytest

pytestmark = pytest.mark.real
WORLDS, AT_ONCE = 1000, 50


@pytest.mark.parametrize("first", range(0, WORLDS, AT_ONCE))
def test_the_plain_reading_of_a_thousand_worlds_has_the_same_looks_to_the_bit(first):
    """Resets, births, gaps, late, gone and returning instances, absurd and huge values, churn; any tick."""
    for seed in range(first, first + AT_ONCE):
        judge_beside.check(seed)
