"""Growth from recording rules where they cover a piece, and from the raw series where they do not.

A piece is covered for a service when the rules were evaluated in every minute of it, and every target of the service
answered every scrape in it and just before: what rules cannot know is what happened while nobody answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus import Prometheus
from bascule.sla.counters import growth
from bascule.sla.counts import fitting
from bascule.sla.pieces import Floats, Key, Pieces, duration, read
from bascule.sla.uptime import Uptime
from bascule.spec import Matcher, Selector
from bascule.spec.growth import INTERVAL_SECONDS, GrowthRule

_FULL: Final = 0.999
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Grown:
    """Growth by series and piece, and the share of it that was read from rules (0 none, 1 all)."""

    rows: dict[Key, Floats]
    from_rules: float

    @property
    def source(self) -> str:
        return "rules" if self.from_rules >= 1 else "mixed"


def read_growth(
    prometheus: Prometheus,
    rule: GrowthRule,
    wide: Selector,
    pieces: Pieces,
    uptime: Uptime,
    labels: Collection[str],
) -> Grown | None:
    """The growth of a rule's series, completed from the raw ones; None where the rules cover nothing.

    `wide`: the selector that is read raw, by groups that `labels` tell apart, and then narrowed to the rule's (see
    `Data.counts`).
    """
    shifted = _on_their_beat(prometheus, rule, pieces)
    beats = _heartbeat(prometheus, rule, shifted) if shifted is not None else np.zeros(len(pieces), dtype=bool)
    if shifted is None or not beats.any():
        return None
    jobs = prometheus.label_values("job", str(wide))
    covered = {job: beats & calm for job, calm in _calm(uptime, pieces).items() if job in jobs}
    if not covered:
        return None
    rows = _from_rule(prometheus, rule, shifted, covered)
    for job, begin, end in _uncovered(covered):
        part = Pieces(pieces.edges[begin : end + 1], pieces.step)
        raw = growth(prometheus, wide.where(Matcher("job", "=", job)), part, uptime, labels)
        for key, row in fitting(raw, rule.selector.matchers).items():
            rows.setdefault(key, np.zeros(len(pieces)))[begin:end] += row
    return Grown(rows, float(np.mean([mask.mean() for mask in covered.values()])))


def _on_their_beat(prometheus: Prometheus, rule: GrowthRule, pieces: Pieces) -> Pieces | None:
    """The pieces, later by as much as the rules' evaluations come after full minutes.

    Prometheus spreads groups over their interval. What an evaluation sees at the first beat after an edge is what
    was last scraped before it, so this makes a piece of rules begin and end with the scrapes that a raw one does.
    """
    span = duration(pieces.end - pieces.start)
    if not prometheus.instant(f"count(present_over_time({rule.heartbeat}[{span}]))", at=pieces.end):
        return None
    beats = read(prometheus, lambda d: f"max(count_over_time({rule.heartbeat}[{d}]))", pieces)
    for row in beats.values():
        k = int(np.flatnonzero(~np.isnan(row))[-1])
        begin, end = float(pieces.edges[k]), float(pieces.edges[k + 1])
        times = [series.times[0] for series in prometheus.raw(rule.heartbeat, end - begin, at=end)]
        phase = float(min(times)) % INTERVAL_SECONDS
        return Pieces(pieces.edges + phase, pieces.step)
    return None


def _heartbeat(prometheus: Prometheus, rule: GrowthRule, pieces: Pieces) -> Mask:
    """The pieces in which the rule was evaluated every minute."""
    counts = read(prometheus, lambda d: f"max(count_over_time({rule.heartbeat}[{d}]))", pieces)
    seen = next(iter(counts.values()), np.full(len(pieces), np.nan))
    whole = pieces.lengths >= INTERVAL_SECONDS * _FULL
    return whole & (np.nan_to_num(seen) >= np.floor(pieces.lengths / INTERVAL_SECONDS + 1e-6))


def _calm(uptime: Uptime, pieces: Pieces) -> dict[str, Mask]:
    """By service, the pieces in which every target answered every scrape, as in the piece before."""
    calm: dict[str, Mask] = {}
    for target in uptime.answering:
        always = (target.watched >= pieces.lengths * (1 - _slack(pieces))) & (target.up >= target.watched * _FULL)
        calm[target.job] = calm.get(target.job, np.ones(len(pieces), dtype=bool)) & always
    return {job: row & np.concatenate([[False], row[:-1]]) for job, row in calm.items()}


def _slack(pieces: Pieces) -> float:
    """One scrape more or less in a piece is only a matter of phase."""
    return 0.2 if pieces.step < 600 else 0.02


def _from_rule(prometheus: Prometheus, rule: GrowthRule, pieces: Pieces, covered: dict[str, Mask]) -> dict[Key, Floats]:
    sums = read(prometheus, lambda d: f"sum_over_time({rule.record}[{d}])", pieces)
    nothing = np.zeros(len(pieces), dtype=bool)
    return {key: np.nan_to_num(row) * covered.get(dict(key).get("job", ""), nothing) for key, row in sums.items()}


def _uncovered(covered: dict[str, Mask]) -> Iterator[tuple[str, int, int]]:
    """(service, first piece, last + 1) of each stretch that the rules do not cover."""
    for job, mask in sorted(covered.items()):
        edges = np.flatnonzero(np.diff(np.concatenate([[1], mask.astype(int), [1]])))
        yield from ((job, int(begin), int(end)) for begin, end in edges.reshape(-1, 2))
