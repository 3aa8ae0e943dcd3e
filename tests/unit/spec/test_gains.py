"""What a bound on a gain means: its direction, and what it is a share of."""

from __future__ import annotations

import pytest

from bascule.spec import Spec, parse
from bascule.spec.gains import gain_sign, is_relative

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals:
  errors: {kind: ratio, bad: 'hits_total{code=~"5.."}', total: hits_total, better: lower}
  stars: {kind: mean, sum: stars_sum, count: stars_count, better: higher, unit: stars}
  score: {kind: mean, sum: score_sum, count: score_count, better: higher, unit: percent}
phases: [{share: 50%, hold: 1h}]
rollback: [{when: WHEN, for: 1m}]
"""


def spec_with(when: str) -> Spec:
    return parse(SPEC.replace("WHEN", when))


@pytest.mark.parametrize(
    ("when", "relative", "value"),
    [
        ("errors.gain < -2pt", False, -0.02),
        ("errors.gain < -2%", False, -0.02),
        ("stars.gain < -20%", True, -0.2),
        ("stars.gain < -0.5", False, -0.5),
        ("score.gain < -20%", True, -0.2),
        ("score.gain < -20pt", False, -20.0),
    ],
)
def test_percent_is_of_the_baselines_value_but_for_a_share(when: str, relative: bool, value: float) -> None:
    """And only what is not is in the signal's own unit, so that -20% is never -20."""
    spec = spec_with(when)
    bound = spec.rollback[0].when.threshold
    assert is_relative(spec.signals[when.partition(".")[0]], bound) is relative
    assert bound.value == pytest.approx(value)


def test_a_gain_is_in_the_better_direction() -> None:
    """Fewer errors and more stars are both a gain above zero."""
    signals = spec_with("errors > 5%").signals
    assert (gain_sign(signals["errors"]), gain_sign(signals["stars"])) == (-1, 1)
