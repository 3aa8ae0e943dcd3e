"""Where a series is used, read from what is generated: a rule that reads a rule that reads it uses it too.

Of expressions, selectors count by their name and labels: what is asked of a recorded series (one signal, one service,
one version) is asked of all that it rests on. What is only a condition of an alert is not what the alert watches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from bascule.conventions import VERSION, RuleGroup
from bascule.discover.verify import expressions, producer
from bascule.generate.grafana.dashboards import grafana_files
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.promql import valued_by
from bascule.slo import all_of
from bascule.slo.slo import EventSlo
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.model import AVAILABILITY


class Place(StrEnum):
    RECORDED = "recorded"
    ALERTED = "alerted"
    SHOWN = "shown"
    JUDGED = "judged"
    REPORTED = "reported"


@dataclass(frozen=True)
class _Reader:
    """Something that reads series: a rule, an alert, a panel. `labels`: those that a rule gives what it records."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def reads(self) -> list[Selector]:
        return valued_by(self.expression)

    def reads_for(self, *result: Matcher) -> list[Selector]:
        """What its results with these labels rest on; a label that the rule gives says nothing about that."""
        return valued_by(self.expression, *(matcher for matcher in result if matcher.label not in self.labels))

    def gives(self, read: Selector) -> bool:
        """Whether it records what is read: its own labels, and those of what it reads, may be the ones asked for."""
        if not read.is_of(self.name):
            return False
        own = all(m.accepts(self.labels[m.label]) for m in read.matchers if m.label in self.labels)
        rests_on = self.reads_for(*read.matchers)
        return own and (not rests_on or any(map(_is_possible, rests_on)))


@dataclass(frozen=True)
class Places:
    """The uses of a spec's series."""

    spec: Spec
    _known: dict[Selector, frozenset[Selector]] = field(default_factory=dict)

    def recorded(self, series: Selector) -> list[str]:
        """The rule that keeps it, or reads it; else who exports it, for Prometheus keeps that as it is scraped."""
        kept = [rule.name for rule in self._rules if rule.gives(series)]
        reading = [rule.name for rule in self._rules if any(_meets(read, series) for read in rule.reads)]
        return _once(kept or reading) or [f"as scraped, from {producer(series.metric)}"]

    def alerted(self, series: Selector) -> list[str]:
        """By what looks at the candidate, where the series are by version."""
        return self._users(self._alerts, series.where(Matcher(VERSION, "=", self.spec.versions.candidate)))

    def shown(self, series: Selector) -> list[str]:
        """On panels of both versions, where the series are by version."""
        by_version = [
            self._users(self._panels, series.where(Matcher(VERSION, "=", version)))
            for version in self.spec.versions.both
        ]
        return _once(name for names in by_version for name in names) if all(by_version) else []

    def measures(self, series: Selector) -> list[str]:
        """The signals that are made of it."""
        made = {name: signal.selectors.values() for name, signal in self.spec.signals.items()}
        return [name for name, selectors in made.items() if any(_meets(each, series) for each in selectors)]

    def judged(self, measure: str) -> list[str]:
        """How the verdict rests on a measure: compared, in a gate, in a rollback trigger."""
        signal = self.spec.signals.get(measure)
        ways = {
            "compared": signal is not None and bool(signal.counters),
            "gate": any(_is_of(name, measure) for phase in self.spec.phases for name in phase.gates),
            "rollback trigger": any(_is_of(trigger.when.measure, measure) for trigger in self.spec.rollback),
        }
        return [way for way, there in ways.items() if there] if measure else []

    def reported(self, measure: str, series: Selector) -> list[str]:
        """The SLAs of a measure, and the report's comparison of both versions."""
        slas = [
            f"SLA {slo.name}"
            for slo in all_of(self.spec)
            if (slo.counted.name if isinstance(slo, EventSlo) else AVAILABILITY) == measure
        ]
        own = [f"SLA {m.value}" for m in series.matchers if m.label == "sla"]
        signal = self.spec.signals.get(measure)
        compared = ["V1/V2 comparison"] if signal is not None and signal.all_events is not None else []
        return [*slas, *own, *compared]

    def _users(self, readers: Iterable[_Reader], series: Selector) -> list[str]:
        return _once(r.name for r in readers if any(_meets(s, series) for read in r.reads for s in self._reached(read)))

    def _reached(self, read: Selector) -> frozenset[Selector]:
        """What is read, and all that the rules which give it rest on."""
        if read not in self._known:
            self._known[read] = frozenset({read})  # a rule may read its own past
            rules = (rule for rule in self._rules if rule.gives(read))
            inner = (self._reached(each) for rule in rules for each in rule.reads_for(*read.matchers))
            self._known[read] = frozenset({read}).union(*inner)
        return self._known[read]

    @cached_property
    def _rules(self) -> list[_Reader]:
        groups = rule_groups(self.spec)
        return [_Reader(r.name, r.expr, r.labels) for group in groups for r in group.recordings]

    @cached_property
    def _alerts(self) -> list[_Reader]:
        """Without the one that tells of missing data: it reads everything, and no value of anything makes it fire."""
        groups = (group for group in rule_groups(self.spec) if group.name != RuleGroup.NO_DATA_ALERTS)
        return [_Reader(alert.name, alert.expr) for group in groups for alert in group.alerts]

    @cached_property
    def _panels(self) -> list[_Reader]:
        asked = (each for each in expressions(grafana_files(self.spec)) if ": panel " in each.where)
        return [_Reader(_panel(each.where), each.expression) for each in asked]


def _panel(where: str) -> str:
    """The dashboard and its panel, such as technical and Error Rates, of a place that `expressions` gives."""
    file, _, panel = where.partition(".json: panel ")
    return f"{file.rpartition('-')[2]}: {panel.rpartition(' ')[0].strip(chr(39))}"


def _meets(read: Selector, series: Selector) -> bool:
    """Whether a selector reads the series: of that name, and nothing it asks for shuts the series' labels out."""
    if not read.is_of(series.metric):
        return False
    return all(_takes(read, matcher.label, matcher.value, str(matcher)) for matcher in series.matchers)


def _takes(read: Selector, label: str, value: str, written: str) -> bool:
    own = [matcher for matcher in read.matchers if matcher.label == label]
    return all(str(matcher) == written or matcher.accepts(value) for matcher in own)


def _is_possible(read: Selector) -> bool:
    """Whether no two conditions on a label exclude each other: a value that one names is one that all accept."""
    return all(_takes(read, matcher.label, matcher.value, "") for matcher in read.matchers if matcher.operator == "=")


def _is_of(measure: str, name: str) -> bool:
    return measure.partition(".")[0] == name


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
