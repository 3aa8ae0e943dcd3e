"""What the traffic sent and what came back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


class TalliedAnswer(NamedTuple):
    """The kind of one answer. `success` is "True" or "False" for a match, else empty."""

    endpoint: str
    segment: str
    partner: str
    version: str
    status: int
    success: str = ""


@dataclass
class Tally:
    """Counts of a whole run.

    sent: requests put on the wire. answers: those answered, by kind. lost: no answer came (by reason).
    resent: sent again because the server had closed a kept-alive connection before it read the request.
    skipped: arrivals not sent because too many requests were open. latency: seconds as the client saw them.
    """

    sent: int = 0
    resent: int = 0
    skipped: int = 0
    answers: Counter[TalliedAnswer] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)  # sum of match values by version
    stars: dict[str, list[int]] = field(default_factory=dict)  # ratings of 1, 2, ... 5 stars by version

    def count(self, **wanted: str | int) -> int:
        """Answers whose fields have the wanted values: `count(version="v2", status=500)`."""
        return sum(
            n
            for answer, n in self.answers.items()
            if all(getattr(answer, name) == value for name, value in wanted.items())
        )

    def share(self, version: str, **wanted: str | int) -> float:
        """The version's share of the wanted answers."""
        return self.count(version=version, **wanted) / self.count(**wanted)

    def to_json(self) -> str:
        rows = [[*answer, n] for answer, n in sorted(self.answers.items())]
        return json.dumps(asdict(self) | {"answers": rows, "lost": dict(self.lost)})

    @classmethod
    def from_json(cls, text: str) -> Tally:
        document = json.loads(text)
        answers: Counter[TalliedAnswer] = Counter(
            {TalliedAnswer(*row[:-1]): row[-1] for row in document.pop("answers")}
        )
        return cls(answers=answers, lost=Counter(document.pop("lost")), **document)


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """The usual quantiles of a sample, by the nearest rank."""
    ranked = sorted(seconds)
    return {name: ranked[min(len(ranked) - 1, int(q * len(ranked)))] for name, q in QUANTILES.items() if ranked}
