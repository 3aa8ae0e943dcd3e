"""What a rule file is made of, as plain data, and as the mapping that Prometheus reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bascule.alerts import Alerting
from bascule.generate.render import without_empty
from bascule.spec.quantities import format_duration


@dataclass(frozen=True)
class Recording:
    """An expression kept as a series of its own, under `name`."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_yaml(self) -> dict[str, Any]:
        return without_empty({"record": self.name, "expr": self.expr, "labels": dict(self.labels)})


Rule = Recording | Alerting


@dataclass(frozen=True)
class Group:
    """Rules evaluated one after the other in this order: a chain is in one group; else each step lags a tick."""

    name: str
    rules: tuple[Rule, ...]
    interval: float | None = None

    def as_yaml(self) -> dict[str, Any]:
        return without_empty(
            {
                "name": self.name,
                "interval": format_duration(self.interval) if self.interval else None,
                "rules": [rule.as_yaml() for rule in self.rules],
            }
        )

    @property
    def alerts(self) -> tuple[Alerting, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule, Alerting))

    @property
    def recordings(self) -> tuple[Recording, ...]:
        return tuple(rule for rule in self.rules if isinstance(rule, Recording))


RuleFiles = dict[str, list[Group]]  # by the file's name, without folder and ending
