"""What the file of one alert says: expression, texts, severity, and the cases that prove it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bascule.alerts.parts import PARTS
from bascule.alerts.template import STANDARD, problems
from bascule.conventions import AlertKind, RuleGroup, Severity

Text = Annotated[str, Field(min_length=1)]
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\n]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AlertCase(_Part):
    """Series with which the alert fires or stays quiet, and when to look.

    `scene`: the traffic of the spec's own signals, by its name in generate/promtool_cases.py; `series` come on top.
    """

    fires: str = ""
    quiet: str = ""
    scene: str = ""
    series: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)  # of the alert looked for, besides those its rule sets
    at: str = "13m"
    interval: str = "30s"

    @model_validator(mode="after")
    def _one(self) -> AlertCase:
        if bool(self.fires) == bool(self.quiet):
            raise ValueError("a case needs either 'fires' or 'quiet', with a text that says when")
        if not self.scene and not self.series:
            raise ValueError("a case needs a 'scene' or 'series'")
        return self


class AlertEntry(_Part):
    """One alert, or one form of it. `form`: the file's name without its ending, `SlaAtRisk` or `SlaAtRisk.time`.

    `each`: the part of the spec that it is for; it is left out of a spec without one. `given` is there instead
    where a function of `generate` finds what the alert is for: the values that it passes, and what they are.
    """

    form: str
    group: RuleGroup
    each: str = ""
    given: dict[str, str] = Field(default_factory=dict)
    let: dict[str, str] = Field(default_factory=dict)  # names for pieces of the expression that are in it twice
    expr: Text
    hold: Text = Field(alias="for")
    keep_firing_for: str = ""
    severity: Severity | list[Severity]  # a list: each time one of these, by the value `severity`
    kind: AlertKind = AlertKind.TECHNICAL
    labels: dict[str, str] = Field(default_factory=dict)
    summary: Line
    description: Line
    action: Line
    runbook: str = ""  # by default the alert's own
    dashboard: str = "/"
    cases: list[AlertCase]

    @property
    def name(self) -> str:
        return self.form.partition(".")[0]

    @property
    def severities(self) -> list[Severity]:
        return self.severity if isinstance(self.severity, list) else [self.severity]

    @property
    def values(self) -> frozenset[str]:
        """The values that the alert gets, besides those that every alert may use."""
        return frozenset(self.given) or frozenset(PARTS[self.each].values)

    @model_validator(mode="before")
    @classmethod
    def _for_the_migration(cls, data: Any) -> Any:
        """An alert that names no part is there once, in every spec."""
        return data if "each" in data or "given" in data else {**data, "each": "migration"}

    @model_validator(mode="after")
    def _whole(self) -> AlertEntry:
        if bool(self.each) == bool(self.given):
            raise ValueError("give either 'each' or 'given'")
        if self.each and self.each not in PARTS:
            raise ValueError(f"each: {self.each!r} is not a part of a spec (the parts are: {', '.join(PARTS)})")
        known = STANDARD | self.values
        found = problems(json.dumps(self.let), known)
        found += problems(json.dumps(self.model_dump(exclude={"given", "let"})), known | set(self.let))
        if found:
            raise ValueError("; ".join(found))
        self._proven()
        return self

    def _proven(self) -> None:
        if not any(case.fires for case in self.cases):
            raise ValueError("no case in which it fires")
        if not any(case.quiet for case in self.cases) and self.severity != Severity.NONE:
            raise ValueError("no case in which it stays quiet")
        if isinstance(self.severity, list) and "severity" not in self.values:
            raise ValueError("several severities, and no value 'severity' that selects one")
