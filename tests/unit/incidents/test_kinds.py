"""Which escalation an alert belongs to: by its labels, by what its signal stands for, by the catalogue."""

from __future__ import annotations

import pytest

from bascule.incidents.causes import cause_of
from bascule.incidents.kinds import kind_of
from bascule.spec import Role


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"alertname": "ServiceDown"}, "technical"),
        ({"alertname": "ServiceDown", "kind": "customer"}, "customer"),
        ({"alertname": "PartnerErrorsHigh", "partner": "acme"}, "customer"),
        ({"alertname": "AccuracyDegraded"}, "business"),
        ({"alertname": "CandidateWorse", "signal": "accuracy"}, "business"),
        ({"alertname": "CandidateWorse", "signal": "errors"}, "technical"),
        ({"alertname": "TargetUnmet", "signal": "retention"}, "business"),
        ({"alertname": "SomebodyElses"}, "technical"),
        ({}, "technical"),
    ],
)
def test_the_kind_of_an_alert(labels: dict[str, str], kind: str) -> None:
    """The most telling label decides; the catalogue knows the rest."""
    assert kind_of(labels) == kind


def test_a_signal_is_business_by_its_role_and_an_alert_known_behind_its_prefix() -> None:
    """The spec's names decide nothing: `matches` with the role accuracy calls the business."""
    assert kind_of({"signal": "matches"}, {"matches": Role.ACCURACY}) == "business"
    assert kind_of({"signal": "accuracy"}, {"accuracy": Role.OTHER}) == "technical"
    assert kind_of({"alertname": "MoveAccuracyDegraded"}, prefix="Move") == "business"


@pytest.mark.parametrize(
    ("labels", "prefix", "cause"),
    [
        ({"alertname": "RoleDown", "job": "bascule-judge"}, "", "monitoring"),
        ({"alertname": "ShopRoleDown", "job": "bascule-judge"}, "Shop", "monitoring"),
        ({"alertname": "ServiceDown", "job": "redis"}, "", "service redis"),
        ({"alertname": "CandidateWorse", "signal": "errors"}, "", "migration"),
        ({"alertname": "V2ErrorSpike", "partner": "acme"}, "", "partner acme"),
        ({"alertname": "TheirAlert"}, "", "alert TheirAlert"),
    ],
)
def test_what_an_alert_is_about_whatever_stands_before_its_name(labels, prefix, cause):
    assert cause_of(labels, prefix) == cause
