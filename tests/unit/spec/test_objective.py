"""An SLA's objective is taken apart as it was meant."""

import pytest

from bascule.spec import Objective


def test_a_floor_a_ceiling_and_a_share_under_a_time():
    assert Objective.parse("99.9%").budget == pytest.approx(0.001)
    assert Objective.parse("< 1%").ceiling == pytest.approx(0.01)
    under = Objective.parse("95% < 100ms")
    assert (under.share, under.bound.value) == (pytest.approx(0.95), pytest.approx(0.1))


@pytest.mark.parametrize("text", ["often", "120%", "95% < soon", "<"])
def test_what_is_no_objective_is_refused(text):
    with pytest.raises(ValueError):
        Objective.parse(text)
