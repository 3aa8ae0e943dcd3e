"""Who is told by a webhook, and what a notice says to them."""

from __future__ import annotations

from bascule.conventions import NoticeKind
from bascule.incidents.escalation import Situation
from bascule.incidents.messages import Composer
from bascule.incidents.model import Incident, Notice
from bascule.scenarios.receiver import HeardNotice
from bascule.spec import load


def incident(number, alert, **more):
    labels = {"alertname": alert}
    return Incident(number, 1, str(number), alert, labels, "critical", "technical", "words", "more words", 0, 0, **more)


def test_a_notice_of_the_journal_tells_which_of_its_incidents_fire():
    incidents = [
        incident(1, "ServiceDown", resolved=5.0),
        incident(2, "CandidateWorse", unknown_since=5.0),
        incident(3, "V2ErrorSpike"),
        incident(4, "SlaAtRisk"),
    ]
    notice = Notice("key", 1, 0, NoticeKind.GREW, "on-call", 10.0)
    message = Composer(load("supersmartmatch"), "j").compose(Situation.of(incidents), notice, 10.0)
    heard = HeardNotice(10.0, message.subject, message.text, message.severity, "firing")
    assert heard.firing == {2: "CandidateWorse", 3: "V2ErrorSpike", 4: "SlaAtRisk"}
    assert heard.in_short.startswith(f"{message.subject} (#")
    assert heard.in_short.endswith("firing: more words)")
