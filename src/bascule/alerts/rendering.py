"""From the catalogue to rules, and to the same alerts as they are posted by a role of Bascule's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bascule.alerts.entry import AlertCase, AlertEntry
from bascule.alerts.loading import catalogue
from bascule.alerts.parts import PARTS, Places
from bascule.alerts.template import Value, fill, standard
from bascule.conventions import RuleGroup
from bascule.errors import BasculeError
from bascule.spec import Spec
from bascule.spec.quantities import format_duration, parse_duration

_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


@dataclass(frozen=True)
class Alerting:
    """A condition that must hold for `hold` seconds, what people are told, and the cases that prove it."""

    name: str
    expr: str
    hold: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    keep_firing_for: float = 0.0
    cases: tuple[AlertCase, ...] = ()

    def as_yaml(self) -> dict[str, Any]:
        given = {
            "alert": self.name,
            "expr": self.expr,
            "for": format_duration(self.hold) if self.hold else "",
            "keep_firing_for": format_duration(self.keep_firing_for) if self.keep_firing_for else "",
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }
        return {key: value for key, value in given.items() if value}


@dataclass(frozen=True)
class Filling:
    """An entry with the values of one place: everything it says can be written out."""

    spec: Spec
    entry: AlertEntry
    values: Mapping[str, Value]

    def text(self, text: str) -> str:
        return fill(text, self.spec, self.values)

    def texts(self, texts: Mapping[str, str]) -> dict[str, str]:
        return {self.text(key): self.text(text) for key, text in texts.items()}

    @property
    def name(self) -> str:
        return self.spec.alert_prefix + self.entry.name

    @property
    def labels(self) -> dict[str, str]:
        own = self.entry.severity
        severity = self.values["severity"] if isinstance(own, list) else own
        return {"severity": str(severity), **self.texts(self.entry.labels)}

    @property
    def annotations(self) -> dict[str, str]:
        entry, console = self.entry, self.spec.stack.page("console")
        page = entry.runbook or slug(entry.name)
        return {
            "summary": self.text(entry.summary),
            "description": self.text(entry.description),
            "action": self.text(entry.action),
            "runbook": f"docs/runbooks/{page}.md",
            "runbook_url": f"{console}/runbooks/{page}",
            "dashboard_url": f"{console}{entry.dashboard}",
        }

    def rule(self) -> Alerting:
        hold, keep = (parse_duration(self.text(text) or 0) for text in (self.entry.hold, self.entry.keep_firing_for))
        expr, cases = self.text(self.entry.expr), tuple(self._case(case) for case in self.entry.cases)
        return Alerting(self.name, expr, hold, self.labels, self.annotations, keep, cases)

    def _case(self, case: AlertCase) -> AlertCase:
        told = self.texts({"fires": case.fires, "quiet": case.quiet, "at": case.at})
        return case.model_copy(
            update={**told, "series": self.texts(case.series), "labels": self.labels | self.texts(case.labels)}
        )


def alerting(spec: Spec, form: str, **values: Value) -> Alerting:
    """The rule of a catalogue's entry, with the values that the entry says it is given."""
    return _filled(spec, form, values).rule()


def alerts_of(spec: Spec, group: RuleGroup, given: Mapping[str, Callable[[Spec], Places]]) -> Iterator[Alerting]:
    """The rules of a group, in the catalogue's order; those that the spec has no use for are left out.

    `given`: by the form of an entry, the function that finds what it is for.
    """
    parts = {form: PARTS[entry.each].places for form, entry in catalogue().items() if entry.each}
    for form, entry in catalogue().items():
        places = (parts | dict(given)).get(form)
        if entry.group == group and places is not None:
            yield from (alerting(spec, form, **values) for values in places(spec))


def posted(spec: Spec, name: str, series: Mapping[str, str], **values: Value) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of an alert as its rule would send them, for the series with these labels."""
    filled = _filled(spec, name, values)
    labels = {"alertname": filled.name, **series, **filled.labels}
    annotations = {key: _LABEL.sub(lambda it: labels.get(it[1], ""), it) for key, it in filled.annotations.items()}
    return labels, annotations


def _filled(spec: Spec, form: str, values: Mapping[str, Value]) -> Filling:
    entry = catalogue()[form]
    if set(values) != entry.values:
        wrong = ", ".join(sorted(entry.values ^ set(values)))
        raise BasculeError(f"{form}.yaml: the values differ from those under 'given': {wrong}", "name them in 'given'")
    filling = Filling(spec, entry, {**standard(spec), **values})
    return replace(filling, values={**filling.values, **filling.texts(entry.let)})


def slug(alert: str) -> str:
    """The name of an alert's runbook: `ServiceDown` -> `service-down`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "-", alert).lower()
