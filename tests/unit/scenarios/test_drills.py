"""What a drill declares, refuses and leaves behind. The drills themselves run on the real stack: `make drill`."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from drilled import Nobody, Told, Watched, incident

from bascule.api.models.journal import NoticeAnswer
from bascule.api.models.others import DeliveryAnswer
from bascule.errors import ProcessFailed, UsageError
from bascule.scenarios import source_rules
from bascule.scenarios.drills import once
from bascule.scenarios.drills.fault import FaultClass
from bascule.scenarios.drills.once import Drill, Force, drill
from bascule.scenarios.drills.picture import picture
from bascule.scenarios.drills.several import Tried, WantedDrills
from bascule.scenarios.drills.shown import markdown
from bascule.scenarios.drills.staging import Journal, OwnFault, drill_staging
from bascule.scenarios.faults import all_faults, fault_named
from bascule.scenarios.receiver import HeardNotice
from bascule.spec import built_in_text, load
from bascule.spec.model import Notify
from bascule.spec.receivers import Receiver, Webhook


def test_every_fault_declares_its_class_its_bound_and_what_finds_it():
    found = all_faults()
    assert len({fault.key for fault in found}) == len(found) >= 20
    for fault in found:
        if fault.kind is FaultClass.QUIET:
            assert not fault.expects, fault.key
        else:
            assert fault.expects, fault.key
            assert fault.evidence, fault.key
            assert fault.bound > 0, fault.key
    assert {fault.kind for fault in found} == set(FaultClass)


def test_an_unknown_fault_is_refused_with_the_names_of_all():
    with pytest.raises(UsageError, match="'meteor' is not a fault"):
        fault_named("meteor")
    with pytest.raises(UsageError) as refused:
        fault_named("meteor")
    assert "error-spike" in str(refused.value)


def test_services_that_are_not_the_labs_are_refused(bascule, tmp_path):
    spec = tmp_path / "shop.yaml"
    spec.write_text(built_in_text())
    done = bascule("drill", spec, "--fault", "crash")
    assert done.returncode == 2
    assert "--inject CMD and --restore CMD" in done.stderr


def test_a_fault_that_breaks_only_half_is_removed_too():
    calls = []

    def inject():
        raise ProcessFailed("half")

    with pytest.raises(ProcessFailed):
        drill(Watched(), Nobody(), fault_named("worker-restart"), Force(inject, lambda: calls.append("out")))
    assert calls == ["out"]


def test_a_notice_during_a_drill_that_must_be_silent_fails_it():
    fault = fault_named("worker-restart")
    silent = drill(Watched(), Nobody(), fault, Force(time.time, lambda: None))
    assert Tried(fault, [silent]).failures == []
    told = HeardNotice(time.time() + 60, "CRITICAL: ServiceDown", "", "critical", "firing")
    alarmed = drill(Watched(), Nobody(told), fault, Force(time.time, lambda: None))
    assert Tried(fault, [alarmed]).failures == ["unexpected: CRITICAL: ServiceDown"]


def found_with(house, *incidents, fault="crash", beside=()):
    """A drill at whose injection these incidents come."""

    def inject():
        house.known += incidents
        return time.time()

    return drill(house, Told(house), fault_named(fault), Force(inject, lambda: None), beside=beside)


def turning(*verdicts):
    house = Watched(verdicts=verdicts)
    house.wait_for = lambda *_: True  # the end has come
    return house


def test_a_verdict_counts_only_when_it_has_turned_since_the_fault():
    found = found_with(turning("hold", "hold", "roll_back"), incident(1, "ServiceDown", after=60.0))
    assert (found.verdict_said, found.already) == ("roll_back", "")
    again = found_with(turning("roll_back", "roll_back", "hold", "roll_back"), incident(1, "ServiceDown", after=60.0))
    assert (again.verdict_said, again.already) == ("roll_back", "")
    other = found_with(turning("roll_back", "no_data"), incident(1, "ServiceDown", after=60.0))
    assert (other.verdict_said, other.already) == ("no_data", "")


def test_a_verdict_that_lasts_from_an_earlier_fault_has_no_time_and_the_table_says_so(monkeypatch):
    monkeypatch.setattr(once, "AFTER_SECONDS", 0.0)
    found = found_with(turning("roll_back"), incident(1, "ServiceDown", after=60.0))
    assert (found.verdict, found.verdict_said, found.already) == (None, "", "roll_back")
    rows = markdown([Tried(fault_named("crash"), [found])])
    assert "| already roll back |" in rows


def test_the_table_says_of_each_run_whether_the_verdict_turned_or_had_turned_already():
    runs = [Drill("crash", verdict=2.0, verdict_said="no_data"), Drill("crash", already="roll_back")]
    assert "| 2.0 s no data; already roll back |" in markdown([Tried(fault_named("crash"), runs)])


def test_a_notice_counts_for_incidents_that_are_new_and_fire():
    house = turning("hold", "no_data")
    house.known = [incident(1, "ServiceDown", after=-60.0, status="resolved"), incident(2, "ServiceDown", after=-60.0)]
    found = found_with(house, incident(3, "VersionSilent", after=60.0), fault="hang")
    assert found.delivered_alert == "VersionSilent"


def test_an_alert_that_waited_to_fire_when_the_fault_went_in_is_neither_found_nor_unexpected():
    house = Watched(verdicts=["hold", "no_data"], pending=[{"alertname": "ResponseTimeHigh", "severity": "warning"}])
    house.wait_for = lambda *_: True
    new = [incident(1, "ResponseTimeHigh", after=60.0, severity="warning"), incident(2, "ServiceDown", after=60.0)]
    found = found_with(house, *new)
    assert (found.expected, found.unexpected) == (["ServiceDown"], [])


def test_a_response_time_that_is_still_high_finds_no_slower_version():
    assert "ResponseTimeHigh" not in fault_named("latency").expects
    assert "ResponseTimeHigh" in fault_named("latency").also


def test_an_alert_that_a_fault_beside_explains_is_not_unexpected_and_any_other_is():
    disk = fault_named("disk-filling")
    new = [incident(1, "CertificateExpires", after=60.0), incident(2, "HostDiskFilling", after=60.0)]
    alone = found_with(turning("hold", "no_data"), *new, fault="certificate")
    assert (alone.unexpected, alone.beside) == (["HostDiskFilling"], [])
    new.append(incident(3, "ServiceDown", after=60.0))
    together = found_with(turning("hold", "no_data"), *new, fault="certificate", beside=[disk])
    assert (together.unexpected, together.beside) == (["ServiceDown"], ["disk-filling"])


def test_what_the_documents_rules_found_cannot_be_told_apart_of_faults_beside_each_other():
    found = Drill("crash", delivered=4.0, removed=40.0, source={"a: B": 36.0}, beside=["hang", "latency"])
    assert "a: B 36.0 s (beside hang, latency)" in markdown([Tried(fault_named("crash"), [found])])
    found.beside += ["certificate"]
    assert "a: B 36.0 s (beside 3 other faults)" in markdown([Tried(fault_named("crash"), [found])])


def test_a_hard_fault_is_held_to_its_median_and_to_its_slowest_run():
    fault = fault_named("crash")
    runs = [Drill("crash", delivered=seconds, ended=1.0) for seconds in (4.0, 5.0, 9.0)]
    assert Tried(fault, runs).failures == []
    slow = [Drill("crash", delivered=seconds, ended=1.0) for seconds in (4.0, 5.0, 21.0)]
    assert Tried(fault, slow).failures == ["slowest 21.0 s, bound 20 s"]
    missed = [Drill("crash", delivered=4.0), Drill("crash")]
    assert Tried(fault, missed).failures == ["1 of 2 not delivered"]


def test_the_picture_of_a_drill_is_an_svg_with_its_moments():
    found = Drill("crash", alert=3.0, delivered=4.5, removed=10.0, course=[(-5.0, 0.0), (1.0, 0.0), (2.0, 1.0)])
    tree = ElementTree.fromstring(picture(fault_named("crash"), found))
    assert "delivered 4.5 s" in "".join(tree.itertext())


def test_the_restoring_command_of_a_staging_drill_runs_though_the_breaking_one_failed(tmp_path, monkeypatch):
    """No journal answers here: the drill ends before anything is broken."""
    restored = tmp_path / "restored"
    monkeypatch.setattr("bascule.scenarios.drills.staging.Watched", lambda spec, stop: Watched())
    with pytest.raises(ProcessFailed, match="--inject 'false' ended with status 1"):
        drill_staging(load("supersmartmatch"), "false", f"touch {restored}", threading.Event(), tmp_path)
    assert restored.exists()
    assert OwnFault(load("supersmartmatch")).is_found_by("AnythingThatPages")


class Called:
    """The API of a journal that has told its receiver of some incidents, each by a notice of its own."""

    def __init__(self, house, *told, kind="step"):
        self._house, self._told, self._kind = house, told, kind

    def notices(self):
        return [
            NoticeAnswer(
                key=f"{i.situation}:{self._kind}",
                situation=i.situation,
                step=0,
                kind=self._kind,
                receiver="ops",
                at=self._house.at(i) + 1,
                outcome="delivered",
            )
            for i in self._told
        ]

    def deliveries(self):
        words = {"receiver": "ops", "subject": "[shop] CRITICAL", "result": "delivered", "attempts": 1}
        return [DeliveryAnswer(key=f"shop-1-{n.key}", started=n.at, ended=n.at, **words) for n in self.notices()]


class Staging(Watched):
    """A staging with one receiver. `at`: when it took an incident in."""

    spec = load("supersmartmatch").model_copy(
        update={"notify": Notify(receivers={"ops": Receiver(webhook=Webhook(url="http://127.0.0.1:1/"))})}
    )

    @staticmethod
    def at(incident):
        return incident.received.timestamp()


def own_drill(house, *new, told=(), kind="step", monkeypatch):
    """A drill of a staging at whose injection these incidents come, and its receiver is called for some."""
    monkeypatch.setattr(once, "AFTER_SECONDS", 0.0)
    monkeypatch.setattr(once, "PATIENCE_SECONDS", -OwnFault.bound + 0.3)
    house.wait_for = lambda *_: True
    fault = OwnFault(house.spec)

    def inject():
        house.known += new
        house.journal = Called(house, *told, kind=kind)
        return time.time()

    house.journal = Called(house)
    return drill(house, Journal(house, fault), fault, Force(inject, lambda: None))


def about(number, alert, after=1.0, cause="service redis", **more):
    return incident(number, alert, after, **more).model_copy(update={"cause": cause, "situation": number})


def test_a_staging_drill_is_found_by_a_call_about_what_began_after_its_injection(monkeypatch):
    new = about(2, "ServiceDown")
    found = own_drill(Staging(verdicts=["hold"]), new, told=[new], monkeypatch=monkeypatch)
    assert found.delivered_alert == "ServiceDown"
    assert 0 <= found.delivered < 10


@pytest.mark.parametrize(
    ("cause", "after", "kind"),
    [
        ("service redis", -60.0, "reminder"),  # it was open before
        ("service billing", 1.0, "step"),  # somebody else's service
        ("alert OrdersStuck", 1.0, "step"),  # somebody else's rule
        ("monitoring", 1.0, "step"),
        ("service redis", 1.0, "resolved"),
        ("service redis", 1.0, "acknowledged"),
    ],
)
def test_a_staging_drill_is_found_by_nothing_else(monkeypatch, cause, after, kind):
    house = Staging(verdicts=["hold"])
    other = about(1, "ServiceDown", after, cause)
    if after < 0:
        house.known.append(other)
    new = () if after < 0 else (other,)
    found = own_drill(house, *new, told=[other], kind=kind, monkeypatch=monkeypatch)
    assert found.delivered is None


def test_a_call_of_before_finds_no_staging_fault_though_its_incident_began_again_after_the_injection(monkeypatch):
    again = about(1, "ServiceDown", after=-60.0)
    house = Staging(verdicts=["hold"])
    new = again.model_copy(update={"reopened": again.received + timedelta(seconds=90)})
    assert own_drill(house, new, told=[again], monkeypatch=monkeypatch).delivered is None


def test_an_incident_that_calls_nobody_finds_no_staging_fault(monkeypatch):
    info = about(1, "GateUnmet", severity="gate")
    assert own_drill(Staging(verdicts=["hold"]), info, told=[info], monkeypatch=monkeypatch).delivered is None


def test_a_staging_without_receivers_is_held_to_the_incidents_of_its_own_services(monkeypatch):
    class Silent(Staging):
        spec = load("supersmartmatch")

    other, own = about(1, "ServiceDown", cause="service billing"), about(2, "RedisDown")
    assert own_drill(Silent(verdicts=["hold"]), other, monkeypatch=monkeypatch).delivered is None
    assert own_drill(Silent(verdicts=["hold"]), other, own, monkeypatch=monkeypatch).delivered_alert == "RedisDown"


def test_a_scrape_that_the_reload_breaks_off_may_report_a_lost_target_as_down():
    new = [incident(1, "TargetLost", after=60.0), incident(2, "ServiceDown", after=60.0)]
    assert found_with(turning("hold", "no_data"), *new, fault="target-lost").unexpected == []


def test_the_source_documents_rules_stand_beside_ours_word_for_word():
    theirs = Path(source_rules.__file__).parent
    fixtures = Path(__file__).parents[2] / "fixtures" / "source-document"
    assert (theirs / "rules.yml").read_text() == (fixtures / "prometheus-rules.yml").read_text()
    assert (theirs / "alerts.yml").read_text() == (fixtures / "alerts.yml").read_text()


def test_the_corrected_rules_keep_the_documents_alerts_and_their_waiting():
    def waits(name):
        groups = yaml.safe_load((Path(source_rules.__file__).parent / name).read_text())["groups"]
        return {rule["alert"]: rule["for"] for group in groups for rule in group["rules"] if "alert" in rule}

    assert waits("corrected.yml") == waits("alerts.yml")


def test_what_an_incident_of_both_versions_leaves_for_an_hour_meets_no_drill_after_it():
    """Of the faults that must not alarm, which have a house of their own."""
    found = all_faults()
    quiet, others = WantedDrills(found, 3, 0.0, Path()).by_house
    assert {fault.kind for fault in quiet} == {FaultClass.QUIET}
    assert not any(fault.stays for fault in quiet[:-1])
    assert quiet[-1].key == "both-versions"
    assert {*quiet, *others} == {*found}


def test_the_table_says_what_the_documents_rules_found_or_for_how_long_they_found_nothing():
    fault = fault_named("crash")
    found = Drill("crash", delivered=4.0, removed=40.0, source={"corrected: ServiceDown": 36.0})
    assert "corrected: ServiceDown 36.0 s" in markdown([Tried(fault, [found])])
    assert "none in 40 s" in markdown([Tried(fault, [Drill("crash", delivered=4.0, removed=40.0)])])


def test_a_fault_that_cannot_be_made_here_is_skipped_with_its_reason_and_fails_nothing():
    skipped = Tried(fault_named("crash"), skipped="mounting a disk needs root")
    assert skipped.failures == []
    assert "skipped: mounting a disk needs root" in markdown([skipped])


def test_a_reason_of_several_lines_is_one_cell_of_the_table():
    skipped = Tried(fault_named("crash"), skipped="no answer:\n| passes |")
    assert markdown([skipped]).count("\n") == 3
    assert "skipped: no answer: \\| passes \\| |" in markdown([skipped])
