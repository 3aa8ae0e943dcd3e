"""The journal against what the sources hold: ends on fresh evidence alone, and beginnings past a dead Alertmanager."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bascule.incidents.echoes import LATE_SECONDS, Echoes
from bascule.incidents.model import Notification, Window
from bascule.incidents.quiet import Quiet
from bascule.incidents.reconcile import Reconciler
from bascule.incidents.sources import Snapshot
from bascule.incidents.store import Store
from bascule.prometheus import HeldSilence
from bascule.prometheus.held import Firing, RuleWord

DOWN = {"alertname": "ServiceDown", "severity": "critical", "job": "redis"}
WORSE = {"alertname": "CandidateWorse", "severity": "critical", "signal": "errors", "user_segment": "all"}


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "i.sqlite", now=0)
    yield made
    made.close()


def opened(store, labels, at=100.0):
    return store.receive(Notification("f" + labels["alertname"], True, labels, {}, at, None, at))


def claimed(store, labels, at):
    store.receive(Notification("f" + labels["alertname"], False, labels, {}, 100.0, at, at))


def rules(*firing, pending=(), decided=("ServiceDown",), known=("ServiceDown", "CandidateWorse"), started=0.0, up=()):
    found = [Firing(labels, 100.0) for labels in firing]
    waiting = [Firing(labels, 100.0) for labels in pending]
    return RuleWord(found, waiting, frozenset(decided), frozenset(known), started, dict(up))


def see(store, *snapshots):
    reconciler = Reconciler(store, Quiet(store))
    for snapshot in snapshots:
        reconciler.see(snapshot)
    return store.incidents()


def test_an_end_that_was_never_delivered_is_found(store):
    """Alertmanager says it has told it, Prometheus repeats an end for a quarter of an hour only."""
    opened(store, DOWN)
    (incident,) = see(store, *(Snapshot(at, [], rules()) for at in (110, 112, 114)))
    assert incident.status == "resolved"
    assert store.entries(incident=incident.id)[-1].text.startswith("ended between 00:01:40")


def test_a_prometheus_that_is_away_ends_nothing(store):
    """Alertmanager lets the alert expire: that is no evidence."""
    opened(store, DOWN)
    claimed(store, DOWN, 117)
    (incident,) = see(store, *(Snapshot(at, [], None) for at in range(118, 160, 2)))
    assert (incident.status, incident.unknown_since) == ("unknown", 117)


def test_a_prometheus_that_has_just_started_ends_nothing(store):
    opened(store, DOWN)
    claimed(store, DOWN, 117)
    (incident,) = see(store, *(Snapshot(at, [], rules(started=110)) for at in range(118, 150, 2)))
    assert incident.status == "unknown"
    (incident,) = see(store, Snapshot(160, [], rules(started=110)))
    assert incident.status == "resolved"


def test_an_alert_waits_after_a_start_for_as_long_as_its_own_rule_needs(store):
    """A rule of every second has decided when another group has not been evaluated yet."""
    slow = DOWN | {"alertname": "QuotaUsed"}
    for labels in (DOWN, slow):
        opened(store, labels)
        claimed(store, labels, 117)
    both = ("ServiceDown", "QuotaUsed")
    word = replace(rules(started=110, decided=both, known=both), warm_ups={"ServiceDown": 10.0, "QuotaUsed": 64.0})
    see(store, *(Snapshot(at, [], word) for at in range(118, 140, 2)))
    assert {each.alert: each.status for each in store.incidents()} == {
        "ServiceDown": "resolved",
        "QuotaUsed": "unknown",
    }


def test_a_server_that_does_not_say_when_it_started_must_say_an_end_for_a_while(store):
    """What was lost in between may be seen a moment later only."""
    opened(store, DOWN)
    claimed(store, DOWN, 117)
    word = replace(rules(started=50), up={"redis": {"a": True}}, tells_start=False)
    reconciler = Reconciler(store, Quiet(store))
    for at in (118, 120):
        reconciler.see(Snapshot(at, [], word))
    assert store.incidents()[0].status != "resolved"
    reconciler.see(Snapshot(123, [], word))
    assert store.incidents()[0].status == "resolved"


def test_an_end_that_one_of_several_judges_posted_must_hold_for_a_while(store):
    """Alertmanager heard it of one; the other's alarm is in the next answer."""
    opened(store, WORSE)
    claimed(store, WORSE, 117)
    reconciler = Reconciler(store, Quiet(store))
    for at, alarms in ((118, []), (119, [Firing(WORSE, 100)])):
        reconciler.see(Snapshot(at, [], rules(), alarms, are_several=True))
    assert (store.incidents()[0].status, store.incidents()[0].reopened) == ("open", None)


@pytest.mark.parametrize(
    ("alarms", "reopened"), [([], None), ([Firing(WORSE, 100)], 139)], ids=["it has ended", "it still fires"]
)
def test_what_a_member_of_a_cluster_tells_late_reopens_only_what_still_fires(store, alarms, reopened):
    """It found the alarm before its end, and waited for the others before it sent it."""
    echoes = Echoes(store, LATE_SECONDS)
    (told,) = echoes.without([Notification("fCandidateWorse", True, WORSE, {}, 100.0, None, 100)])
    store.receive(told)
    claimed(store, WORSE, 117)
    store.confirm_end(1, 120)
    assert echoes.without([replace(told, received=134)]) == []
    reconciler = Reconciler(store, Quiet(store), echoes)
    for at in (136, 139, 141):
        reconciler.see(Snapshot(at, [], rules(), alarms if at > 137 else [], are_several=True))
    assert [each.reopened is not None for each in store.incidents()] == [reopened is not None]
    assert len(store.incidents()) == 1


@pytest.mark.parametrize(("judge", "opened_then"), [([], 0), (None, 1)], ids=["it answers", "it is away"])
def test_the_rule_on_the_judges_metric_opens_nothing_that_the_judge_has_ended(store, judge, opened_then):
    """It fires for some seconds more, also while Alertmanager is away."""
    found = see(store, *(Snapshot(at, None, rules(WORSE), judge) for at in (110, 112, 114, 116)))
    assert len(found) == opened_then


def test_late_news_opens_what_has_begun_meanwhile_as_it_began(store):
    """The old beginning is not told once more."""
    echoes = Echoes(store, LATE_SECONDS)
    opened(store, WORSE)
    claimed(store, WORSE, 117)
    store.confirm_end(1, 120)
    assert echoes.without([Notification("fCandidateWorse", True, WORSE, {}, 100.0, None, 134)]) == []
    Reconciler(store, Quiet(store), echoes).see(Snapshot(139, [], rules(), [Firing(WORSE, 136)], are_several=True))
    assert sorted((each.starts, each.status) for each in store.incidents()) == [(100, "resolved"), (136, "open")]
    assert all(each.reopened is None for each in store.incidents())


def test_late_news_of_what_was_opened_past_alertmanager_opens_nothing(store):
    """Alertmanager's fingerprint is another than that of the way past it; an older incident has it."""
    echoes = Echoes(store, LATE_SECONDS)
    opened(store, WORSE, at=10.0)
    store.receive(Notification("fCandidateWorse", False, WORSE, {}, 10.0, 20.0, 20))
    store.confirm_end(1, 20)
    reconciler = Reconciler(store, Quiet(store), echoes)
    for at, alarms in ((110, [Firing(WORSE, 100)]), (115, [Firing(WORSE, 100)]), (120, []), (125, [])):
        reconciler.see(Snapshot(at, [], rules(), alarms, are_several=True))
    assert [each.status for each in store.incidents()] == ["resolved", "resolved"]
    assert echoes.without([Notification("fCandidateWorse", True, WORSE, {}, 100.0, None, 130)]) == []
    reconciler.see(Snapshot(136, [], rules(), [], are_several=True))
    assert len(store.incidents()) == 2


def test_a_new_beginning_is_no_late_news(store):
    echoes = Echoes(store, LATE_SECONDS)
    opened(store, WORSE)
    claimed(store, WORSE, 117)
    store.confirm_end(1, 120)
    assert len(echoes.without([Notification("fCandidateWorse", True, WORSE, {}, 125.0, None, 126)])) == 1


@pytest.mark.parametrize(("tells_start", "status"), [(True, "resolved"), (False, "unknown")])
def test_a_job_without_targets_was_removed_from_a_prometheus_and_is_unknown_elsewhere(store, tells_start, status):
    opened(store, DOWN)
    word = replace(rules(started=50), tells_start=tells_start)
    (incident,) = see(store, *(Snapshot(at, [], word) for at in range(110, 150, 2)))
    assert incident.status == status


def test_a_rule_that_could_not_be_evaluated_ends_nothing(store):
    opened(store, DOWN)
    (incident,) = see(store, *(Snapshot(at, [], rules(decided=())) for at in range(110, 150, 2)))
    assert incident.status == "unknown"


def test_a_claimed_end_of_what_still_fires_is_forgotten(store):
    opened(store, DOWN)
    claimed(store, DOWN, 117)
    (incident,) = see(store, Snapshot(120, [], rules(DOWN)))
    assert (incident.status, incident.ends) == ("open", None)


def test_the_judges_alarm_ends_by_the_judges_word_alone(store):
    """While it hangs, the rule on its metric ends; that is no recovery."""
    opened(store, WORSE)
    claimed(store, WORSE, 117)
    silent = [Snapshot(at, [], rules(decided=("ServiceDown", "CandidateWorse"))) for at in range(118, 150, 2)]
    (incident,) = see(store, *silent)
    assert incident.status == "unknown"
    (incident,) = see(store, Snapshot(150, [], rules(), [Firing(WORSE, 100)]))
    assert incident.status == "open"
    (incident,) = see(store, *(Snapshot(at, [], rules(), []) for at in (152, 158)))
    assert incident.status == "resolved"


def test_an_alert_of_a_prometheus_that_is_not_ours_ends_by_alertmanagers_word(store):
    foreign = {"alertname": "TheirAlert", "severity": "warning"}
    opened(store, foreign)
    (incident,) = see(store, *(Snapshot(at, [Firing(foreign, 100)], rules()) for at in (110, 116)))
    assert incident.status == "open"
    (incident,) = see(store, *(Snapshot(at, [], rules()) for at in (120, 126)))
    assert incident.status == "resolved"


def test_an_alertmanager_that_has_just_started_ends_nothing(store):
    """It keeps alerts in memory: what it does not hold may not have been repeated yet."""
    foreign = {"alertname": "TheirAlert", "severity": "warning"}
    opened(store, foreign)
    empty = [Snapshot(at, [], rules(), alertmanager_started=105.0) for at in (110, 116, 150)]
    (incident,) = see(store, *empty)
    assert incident.status == "unknown"
    (incident,) = see(store, *(Snapshot(at, [], rules(), alertmanager_started=105.0) for at in (200, 206)))
    assert incident.status == "resolved"


@pytest.mark.parametrize("alertmanager", [None, []])
def test_what_alertmanager_does_not_deliver_is_opened_from_prometheus_and_the_judge(store, alertmanager):
    seen = see(store, *(Snapshot(at, alertmanager, rules(DOWN), [Firing(WORSE, 100)]) for at in (110, 112, 114, 116)))
    assert sorted(incident.alert for incident in seen) == ["CandidateWorse", "ServiceDown"]


def test_what_a_person_silenced_or_planned_is_not_opened_past_them(store):
    store.add_window(Window(0, 100, 200, "upgrade", ("redis",), silence="s"))
    see(store, *(Snapshot(at, None, rules(DOWN)) for at in (110, 116, 122)))
    other = DOWN | {"job": "nginx"}
    silence = HeldSilence("s1", [{"name": "job", "value": "ng.*", "isRegex": True}], 100, 200, "")
    assert see(store, *(Snapshot(at, [], rules(other), silences=[silence]) for at in (110, 116, 122))) == []


def test_a_window_that_sets_no_silence_hides_nothing(store):
    store.add_window(Window(0, 100, 200, "left out of the figures", ("redis",)))
    assert len(see(store, *(Snapshot(at, None, rules(DOWN)) for at in (110, 116)))) == 1


def test_a_silence_ends_when_it_says_also_while_alertmanager_is_away(store):
    silence = HeldSilence("s1", [{"name": "job", "value": "redis"}], 100, 120, "")
    listed = Snapshot(110, [], rules(DOWN), silences=[silence])
    assert see(store, listed, Snapshot(119, None, rules(DOWN))) == []
    (incident,) = see(store, listed, *(Snapshot(at, None, rules(DOWN)) for at in (121, 126)))
    assert incident.alert == "ServiceDown"


def test_an_inhibition_is_believed_for_a_minute_after_alertmanagers_last_word(store):
    held = Snapshot(110, [Firing(DOWN, 100, inhibited=True)], rules(DOWN))
    assert see(store, held, *(Snapshot(at, None, rules(DOWN)) for at in (120, 160))) == []
    assert len(see(store, held, Snapshot(180, None, rules(DOWN)))) == 1


@pytest.mark.parametrize("labels", [DOWN, DOWN | {"instance": "a:1"}])
def test_an_alert_of_what_cannot_be_scraped_has_not_ended(store, labels):
    """Its series are gone with the scrape: the rule's silence, and Alertmanager's resolved, are no evidence."""
    opened(store, labels)
    claimed(store, labels, 112)
    away, back = rules(up={"redis": {"a:1": False}}), rules(up={"redis": {"a:1": True}})
    gone = [Snapshot(at, [], away) for at in (112, 114, 120)]
    (incident,) = see(store, *gone, Snapshot(121, [], back))
    assert incident.status == "unknown"
    (incident,) = see(store, *gone, Snapshot(121, [], back), *(Snapshot(at, [], back) for at in (170, 175)))
    assert incident.status == "resolved"


def test_an_alert_that_says_that_its_target_is_away_ends_when_it_is_back(store):
    opened(store, DOWN)
    away, back = rules(DOWN, up={"redis": {"a:1": False}}), rules(up={"redis": {"a:1": True}})
    (incident,) = see(store, Snapshot(110, [], away), *(Snapshot(at, [], back) for at in (111, 115)))
    assert incident.status == "resolved"


def test_one_target_of_many_that_is_away_keeps_no_alert_open(store):
    opened(store, DOWN)
    some = rules(up={"redis": {"a:1": False, "b:1": True}})
    (incident,) = see(store, *(Snapshot(at, [], some) for at in (110, 112, 114)))
    assert incident.status == "resolved"


def test_a_prometheus_that_was_started_again_begins_nothing_anew(store):
    """Its alerts get another start; that of before has not ended."""
    first = opened(store, DOWN)
    see(store, Snapshot(164, [], None), Snapshot(166, [], rules(started=164)))
    again = store.receive(Notification("fServiceDown", True, DOWN, {}, 170, None, 188))
    assert (again.id, again.resolved) == (first.id, None)
    later = store.receive(Notification("fServiceDown", True, DOWN, {}, 400, None, 400))
    assert later.id == first.id + 1


def test_a_long_for_delays_the_start_that_a_restarted_prometheus_gives(store):
    first = opened(store, DOWN)
    word = replace(rules(started=164), holds={"ServiceDown": 300.0})
    see(store, Snapshot(166, [], word))
    again = store.receive(Notification("fServiceDown", True, DOWN, {}, 466, None, 466))
    assert again.id == first.id


def test_what_a_person_reopened_goes_on_until_it_was_seen_again_and_ended(store):
    """No source holds it: that is what the person says is wrong."""
    incident = opened(store, DOWN)
    see(store, *(Snapshot(at, [], rules()) for at in (110, 116)))
    store.reopen_incident(incident.id, "ada", "still slow", 120.0)
    (known,) = see(store, *(Snapshot(at, [], rules()) for at in range(121, 160, 2)))
    assert known.status == "open"
    (known,) = see(store, Snapshot(170, [], rules(DOWN)), *(Snapshot(at, [], rules()) for at in (172, 178)))
    assert known.status == "resolved"


def test_the_dead_mans_switch_is_no_incident(store):
    switch = {"alertname": "DeadMansSwitch", "severity": "none"}
    assert see(store, *(Snapshot(at, None, rules(switch)) for at in (110, 116))) == []


def test_a_service_that_fails_again_during_maintenance_calls_again_after_it(store):
    """Acknowledged, back unseen, down again with another start: a new incident, not delivery 2 of the first."""
    first = opened(store, DOWN)
    store.acknowledge(first.id, "ada", 101)
    see(store, *(Snapshot(at, [], rules()) for at in (200, 206)))
    again = store.receive(Notification("fServiceDown", True, DOWN, {}, 300, None, 300))
    assert (again.id, again.acknowledged) == (first.id + 1, None)


@pytest.mark.parametrize("first", [DOWN, DOWN | {"instance": "a:1"}])
def test_an_alert_whose_labels_are_some_of_anothers_is_another(store, first):
    (second,) = [labels for labels in (DOWN, DOWN | {"instance": "a:1"}) if labels != first]
    opened(store, first)
    both = rules(first, second)
    seen = see(store, *(Snapshot(at, [], both) for at in (110, 116)))
    assert sorted(len(each.labels) for each in seen) == sorted([len(first), len(second)])


def test_labels_that_prometheus_adds_on_the_way_to_alertmanager_make_no_second_incident(store):
    opened(store, DOWN | {"cluster": "eu"})
    assert len(see(store, *(Snapshot(at, [], rules(DOWN)) for at in (110, 116)))) == 1


def test_a_clock_that_is_set_back_keeps_no_end_and_no_beginning_waiting(store):
    opened(store, DOWN)
    other = DOWN | {"job": "nginx"}
    late = [Snapshot(at, [], rules(other, started=90.0)) for at in (110, 112, 50, 52, 54)]
    seen = {each.labels["job"]: each.status for each in see(store, *late)}
    assert seen == {"redis": "resolved", "nginx": "open"}


@pytest.fixture
def ended(store):
    """An incident that ended at 114, and the reconciliation that found it."""
    opened(store, DOWN)
    reconciler = Reconciler(store, Quiet(store))
    for at in (110, 112, 114):
        reconciler.see(Snapshot(at, [], rules()))
    return reconciler


def test_an_end_that_was_found_just_now_may_be_told(store, ended):
    assert ended.is_over(store.incidents(), 115)


def test_an_end_is_not_told_once_its_evidence_is_old(store, ended):
    """A journal that was stopped for half a minute asks the sources first."""
    assert not ended.is_over(store.incidents(), 144)
    ended.see(Snapshot(144.5, [], rules()))
    assert ended.is_over(store.incidents(), 145)


def test_an_end_is_not_told_while_a_source_holds_the_alert_again(store, ended):
    ended.see(Snapshot(115, [], rules(DOWN)))
    assert not ended.is_over(store.incidents(), 115)


def test_what_a_person_closed_is_over_whatever_a_source_holds(store):
    incident = opened(store, DOWN)
    reconciler = Reconciler(store, Quiet(store))
    store.close_incident(incident.id, "ada", "removed", 112)
    assert reconciler.is_over(store.incidents(), 113)
    reconciler.see(Snapshot(114, [], rules(DOWN)))
    assert reconciler.is_over(store.incidents(), 115)


def test_an_end_is_told_though_the_alert_fires_as_another_incident_by_now(store):
    """What began again after an acknowledgement is a situation of its own; the first one is over when the rest of it
    is."""
    slow = DOWN | {"alertname": "ResponseTimeHigh"}
    first, other = opened(store, DOWN), opened(store, slow)
    store.acknowledge(first.id, "ada", 105)
    store.confirm_end(first.id, 110)
    again = store.receive(Notification("fServiceDown", True, DOWN, {}, 115.0, None, 115.0))
    store.confirm_end(other.id, 120)
    assert again.situation != first.situation
    reconciler = Reconciler(store, Quiet(store))
    reconciler.see(Snapshot(121, [], rules(DOWN)))
    assert reconciler.is_over(store.situation(first.situation), 122)
