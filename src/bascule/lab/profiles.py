"""How the lab's services behave: in good health, and with a fault in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from random import Random
from typing import Any

from bascule.conventions import NONE
from bascule.errors import UsageError
from bascule.lab.files import replace_text

SLOW_FACTOR = 10.0


@dataclass(frozen=True)
class LabRequest:
    """What a request is about."""

    segment: str
    partner: str = NONE
    endpoint: str = ""


@dataclass(frozen=True)
class Behaviour:
    """How one service answers. Ratios are 0 to 1, times seconds, `value` is per successful match in the currency."""

    accuracy: float  # share of successful matches
    score: float  # the accuracy score of a typical successful match
    satisfaction: float  # mean stars its users give, 1 to 5
    value: float
    latency: float  # median
    latency_spread: float = 0.3  # sigma of the log-normal: p95 is 1.64 times the median
    latency_factor: float = 1.0
    error_rate: float = 0.0002
    error_rate_by_segment: Mapping[str, float] = field(default_factory=dict)
    fallback: float = 0.0  # share of answers that evaluation well but come from the emergency fallback
    compatible: float = 1.0  # share of answers that fit a partner's format
    cache_hits: float = 0.93
    asks_backend: float = 0.0  # share of matches for which the backend service is asked
    latency_factor_by_segment: Mapping[str, float] = field(default_factory=dict)
    slow: float = 0.0  # share of answers that take ten times as long
    not_found: float = 0.0  # share of requests answered with 404 at once
    error_rate_by_partner: Mapping[str, float] = field(default_factory=dict)
    error_rate_by_endpoint: Mapping[str, float] = field(default_factory=dict)
    clock_ahead: float = 0.0  # seconds that the service's log lines are ahead of the true time
    metrics_page: str = ""  # the file that /metrics answers instead of the truth

    def latency_of(self, segment: str) -> float:
        """The median time of an answer, in seconds."""
        return self.latency * self.latency_factor * self.latency_factor_by_segment.get(segment, 1.0)

    def errors_of(self, asked: LabRequest) -> float:
        """The error rate of a request: of its partner, else of its endpoint, its segment, or all."""
        for rates, name in (
            (self.error_rate_by_partner, asked.partner),
            (self.error_rate_by_endpoint, asked.endpoint),
            (self.error_rate_by_segment, asked.segment),
        ):
            if name in rates:
                return rates[name]
        return self.error_rate

    def with_fault(self, changes: Mapping[str, Any]) -> Behaviour:
        """The same service with some fields changed; an error rate for all replaces the narrower ones."""
        known = {entry.name for entry in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise UsageError(f"{unknown[0]!r} is not a fault", f"faults are: crash, hang, {', '.join(sorted(known))}")
        narrower = [name for name in known if name.startswith("error_rate_by_")]
        cleared: dict[str, Any] = {key: {} for key in narrower} if "error_rate" in changes else {}
        return replace(self, **(cleared | dict(changes)))


@dataclass(frozen=True)
class Profile:
    """A behaviour for each service of the lab."""

    baseline: Behaviour
    candidate: Behaviour
    backend: Behaviour


V1 = Behaviour(accuracy=0.82, score=0.84, satisfaction=4.4, value=100.0, latency=0.020)
# 12 % more revenue per match: 0.955 * 96.17 = 1.12 * 0.82 * 100.
V2 = Behaviour(accuracy=0.955, score=0.92, satisfaction=4.65, value=96.17, latency=0.014, asks_backend=0.2)
NEXTEN = Behaviour(accuracy=0.95, score=0.92, satisfaction=4.5, value=0.0, latency=0.003)

_ALIKE = replace(V2, asks_backend=0.0)  # a backend that one version alone asks would make them differ
_ERRORS_BY_SEGMENT = {"enterprise": 0.002, "api_partners": 0.01, "freemium": 0.02}
_UNEVEN = replace(V1, error_rate_by_segment=_ERRORS_BY_SEGMENT)

PROFILES = {
    "healthy": Profile(V1, V2, NEXTEN),
    "aa": Profile(_ALIKE, _ALIKE, NEXTEN),  # identical versions, which keep the spec's targets
    "aa_uneven": Profile(_UNEVEN, _UNEVEN, NEXTEN),  # identical versions, segments that differ tenfold
}


def profile_named(name: str) -> Profile:
    if name not in PROFILES:
        raise UsageError(f"{name!r} is not a profile of the lab", f"profiles are: {', '.join(PROFILES)}")
    return PROFILES[name]


@dataclass(frozen=True)
class Outcome:
    """What happens to one request."""

    fails: bool
    seconds: float
    success: bool
    score: float
    value: float
    falls_back: bool
    compatible: bool
    cached: bool
    asks_backend: bool
    not_found: bool


def draw(behaviour: Behaviour, asked: LabRequest, luck: Random) -> Outcome:
    """What a request meets. Always the same draws in the same order, so that a fault changes only what it is about."""
    chance = [luck.random() for _ in range(7)]
    success = chance[1] < behaviour.accuracy
    typical = behaviour.score if success else behaviour.score - 0.35
    spread = min(3.0, luck.lognormvariate(0.0, behaviour.latency_spread))
    score = round(min(1.0, max(0.0, luck.gauss(typical, 0.05))), 4)
    slow, not_found = luck.random() < behaviour.slow, luck.random() < behaviour.not_found
    return Outcome(
        fails=chance[0] < behaviour.errors_of(asked),
        seconds=behaviour.latency_of(asked.segment) * spread * (SLOW_FACTOR if slow else 1.0),
        success=success,
        score=score,
        value=round(behaviour.value * (0.5 + chance[2]), 2) if success else 0.0,
        falls_back=chance[3] < behaviour.fallback,
        compatible=chance[4] < behaviour.compatible,
        cached=chance[5] < behaviour.cache_hits,
        asks_backend=chance[6] < behaviour.asks_backend,
        not_found=not_found,
    )


@dataclass
class BehaviourFile:
    """The behaviour in force: a small file that every worker reads at every request, so it holds in all at once."""

    path: Path
    _text: str = ""
    _behaviour: Behaviour | None = None

    def write(self, behaviour: Behaviour) -> None:
        replace_text(self.path, json.dumps(asdict(behaviour)))

    def read(self) -> Behaviour:
        text = self.path.read_text("utf-8")
        behaviour = self._behaviour
        if behaviour is None or text != self._text:
            behaviour = Behaviour(**json.loads(text))
            self._behaviour, self._text = behaviour, text
        return behaviour
