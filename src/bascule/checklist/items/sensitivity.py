"""The alerts are not too sensitive: a replay of the last hour raises no alarm outside the journal's incidents."""

from __future__ import annotations

import time

from bascule import times
from bascule.api.models.journal import IncidentAnswer
from bascule.checklist.deployed import first_of
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, deployment, judged
from bascule.checklist.looked import Looked
from bascule.conventions import Alert, Severity
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.judge import JUDGE, Backtest, Fired, backtest
from bascule.spec import Spec

LONGEST_SECONDS = 3600.0
LEAST_SECONDS = 60.0
SETTLE_SECONDS = 30.0


def _signed(spec: Spec) -> object:
    alerts = [alert.as_yaml() for group in rule_groups(spec) for alert in group.alerts]
    signals = {name: signal.model_dump(mode="json") for name, signal in spec.signals.items()}
    return [alerts, spec.judge.model_dump(mode="json"), signals]


@deployment(
    2, "Alerting sensibilité ajustée", to_sign="the people who are called agree with the sensitivity", signed=_signed
)
def sensitivity(looked: Looked) -> ItemOutcome:
    now = time.time()
    start = now - min(LONGEST_SECONDS, max(0.0, looked.history - SETTLE_SECONDS))
    if now - start < LEAST_SECONDS:
        return cannot(f"Prometheus has {looked.history:.0f} s of history; a minute is needed")
    rules = [alert.as_yaml() for group in rule_groups(looked.spec) for alert in group.alerts]
    paging = [rule for rule in rules if Severity.of(rule["labels"]["severity"]).pages]
    if not paging:
        return cannot("no rule of the spec notifies anyone")
    replayed = backtest(looked.spec, looked.prometheus, start, now, rules=paging)
    if replayed.unseen:
        return cannot(f"the judge had nothing to compare: {' '.join(replayed.unseen)}")
    known = looked.journal.incidents(start)
    false = [each for each in replayed.fired if not any(_excuses(looked.spec, each, one, now) for one in known)]
    asked = f"replay of {len(paging)} rules and the judge over {times.lasting(now - start)}"
    evidence = [
        ItemEvidence(asked, f"{len(false)} false alarms"),
        ItemEvidence("both versions compared", times.lasting(replayed.compared)),
        *(ItemEvidence("could not fire", why) for why in replayed.problems if why not in replayed.refused),
    ]
    return judged((f"{each.by} would have fired" for each in false), *evidence, unknown=_unknown(replayed))


def _unknown(replayed: Backtest) -> list[str]:
    """Why a replay without a false alarm proves nothing; empty where it does."""
    if replayed.refused:
        return first_of(replayed.refused)
    if len(replayed.sources) < 2:  # the judge is one of them
        return ["none of the rules has series here"]
    if replayed.compared < LEAST_SECONDS:
        return [f"the judge could compare both versions for {times.lasting(replayed.compared)}; a minute is needed"]
    return []


def _excuses(spec: Spec, fired: Fired, incident: IncidentAnswer, now: float) -> bool:
    """Whether an incident of the same alert, about the same, was open then: a real fault, and no false alarm.

    A minute around it: a rule that is replayed begins with the first sample that it can see.
    """
    alert = f"{spec.alert_prefix}{Alert.CANDIDATE_WORSE}" if fired.by == JUDGE else fired.by
    is_about = all(incident.labels.get(name, value) == value for name, value in fired.labels.items())
    ended = now if incident.resolved is None else incident.resolved.timestamp()
    return incident.alert == alert and is_about and incident.starts.timestamp() - 60 <= fired.fired <= ended + 60
