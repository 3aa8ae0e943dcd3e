"""How long alerts take at worst, from the settings of the spec alone."""

from __future__ import annotations

from bascule.conventions import Alert
from bascule.generate.alerting.delivery_times import routes, worst_cases
from bascule.spec import Spec, built_in_text, parse

PEOPLE = """
notify:
  receivers:
    pager: {pagerduty: {routing_key_file: /etc/bascule/pager}}
stack: {scrape: {interval: 10s, timeout: 2s, evaluation: 30s}}
"""


def seconds(spec: Spec, alert: str) -> float:
    return max(lag for found, lag in worst_cases(spec) if found.name == alert)


def test_scrape_evaluation_and_hold_add_up() -> None:
    """A service that is down: one second, one second, five seconds."""
    assert seconds(parse(built_in_text()), Alert.SERVICE_DOWN) == 1 + 1 + 5


def test_each_group_of_a_chain_is_waited_for() -> None:
    """A rollback trigger and a quota are evaluated every 5 s, and read what another group records every 15 s."""
    spec = parse(built_in_text())
    assert seconds(spec, Alert.ROLLBACK_TRIGGERED) == 1 + 15 + 5 + 600
    assert seconds(spec, Alert.PARTNER_QUOTA_NEARLY_USED) == 1 + 15 + 5 + 60


def test_the_journals_own_time_is_added_to_peoples_routes() -> None:
    """The machine's route waits for nothing; slower settings are told."""
    machine, pager = routes(parse(built_in_text() + PEOPLE))
    assert (machine.receiver, machine.service_down) == ("bascule-incidents", 10 + 30 + 5)
    assert (pager.receiver, pager.service_down) == ("pager", 10 + 30 + 5 + 2)
    assert "gate" in machine.slowest
    assert "gate" not in pager.slowest
    assert str(pager).startswith(
        "pager: ServiceDown 47 s; critical at most 11 min 12 s (RollbackTriggered), warning at most "
    )
