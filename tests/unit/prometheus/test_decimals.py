"""Numbers of a whole answer at once: to the last bit as one by one, and nothing that is not a plain number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.prometheus.decimals import decimals

digits = st.text("0123456789", min_size=1, max_size=18)
numbers = st.one_of(digits, st.tuples(digits, digits).map(".".join))


def read(parts: list[str], between: str = ",") -> np.ndarray | None:
    sizes = np.array([len(part.encode()) for part in parts])
    ends = np.cumsum(sizes + len(between)) - len(between)
    return decimals(between.join(parts).encode(), ends - sizes, ends)


@given(st.lists(numbers, min_size=1, max_size=8), st.sampled_from([",", '"],[1.5,"']))
def test_each_number_is_what_float_reads(parts, between):
    found = read(parts, between)
    assert found is not None
    assert found.tolist() == [float(part) for part in parts]


NO_NUMBERS = ["", ".", "1.", ".5", "1.2.3", "1e9", "-1", "+1", "NaN", "+Inf", "1_0", " 1", "1 ", ":", "/", "?", "é"]


@pytest.mark.parametrize("other", [*NO_NUMBERS, "12345678901234567e1", "1234567890123456.7.8", "1234567890123456_7"])
def test_anything_else_is_left_to_others(other):
    assert read(["5", other, "6"]) is None
