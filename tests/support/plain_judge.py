"""docs/method.md as plain Python: one migration, one evaluation after the other, in dicts and loops.

A second opinion on the judge's numbers for tests. It shares no code with the judge's arithmetic; where the page and the
judge part ways, a test fails. Errors, accuracy and histograms are weighed; means are only counted as lines, for they
share the budget. Signals are split by segment, not further.

    judge = of(schema, plan)                 then, for each evaluation: judge.feed(time, seconds, since, brought)
    judge = follow(bench)                    fed with whatever the bench's engine is fed
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

RATIOS = (1.5, 3.0, 7.0, 20.0, 100.0)
TOTAL = "all"


class Pair(NamedTuple):
    """A signal in a line: a segment, or all of them; of a histogram, the share above one bound."""

    signal: str
    bound: float | None
    line: str


class Stratum(NamedTuple):
    """Where events are counted."""

    signal: str
    bound: float | None
    segment: str


class Brought(NamedTuple):
    """What an evaluation, or a block, brought of a stratum or a pair: events and bad events of V1 and V2."""

    n1: float = 0.0
    x1: float = 0.0
    n2: float = 0.0
    x2: float = 0.0

    def plus(self, other: Brought) -> Brought:
        return Brought(*(a + b for a, b in zip(self, other, strict=True)))


NOTHING = Brought()
Counts = Mapping[Stratum, Brought]


@dataclass(frozen=True)
class Signal:
    """`bounds`: of a histogram; (None,) for a share; () for a mean, which has lines but no pairs."""

    name: str
    bounds: tuple[float | None, ...]
    harmful: float = 0.0
    limits: Mapping[str, Mapping[float, float]] = field(default_factory=dict)  # by line: quantile -> longest time
    segments: tuple[str, ...] = (TOTAL,)
    lines: tuple[str, ...] = (TOTAL,)


@dataclass(frozen=True)
class Migration:
    """What is declared. `given`: the lines that the plan lets V2 serve; `alone`: V1 serves nothing any more."""

    signals: tuple[Signal, ...]
    given: frozenset[str]
    started: float
    alone: bool = False
    budget: float = 0.01
    tick: float = 1.0
    recovery: float = 60.0

    @property
    def pairs(self) -> list[Pair]:
        return [Pair(s.name, bound, line) for s in self.signals for bound in s.bounds for line in s.lines]

    def strata(self, pair: Pair) -> list[Stratum]:
        segments = self.signal(pair.signal).segments if pair.line == TOTAL else (pair.line,)
        return [Stratum(pair.signal, pair.bound, segment) for segment in segments]

    def signal(self, name: str) -> Signal:
        return next(signal for signal in self.signals if signal.name == name)


# ---------------------------------------------------------------- the history: V1's rate


@dataclass
class Past:
    """V1's rate in a stratum: sums with a half life of 20 minutes, brought up to date at the end of each block."""

    events: float = 0.0
    bad: float = 0.0

    def add_block(self, n: float, x: float, seconds: float) -> None:
        keep = 0.5 ** (seconds / 1200) if n > 0 else 1.0  # frozen while V1 serves nothing
        self.events = self.events * keep + n
        self.bad = self.bad * keep + x

    @property
    def rate(self) -> float:
        return rate_of(self.events, self.bad)

    def upper(self, phi: float) -> float:
        return min(self.rate * (1 + 0.08 + math.sqrt(phi / (self.bad + 0.5))), 0.95)


def rate_of(events: float, bad: float) -> float:
    return min((bad + 0.5) / max(events, 1.0), 0.95)


# ---------------------------------------------------------------- the history: how bursty bad events are


@dataclass
class Dispersion:
    """Sums from which phi of one version is estimated, from blocks of 10 s; blocks without events are skipped."""

    squares: float = 0.0
    rates: float = 0.0
    differences: int = 0
    bad: float = 0.0
    last: tuple[float, float] | None = None

    def add_block(self, n: float, x: float) -> None:
        if n <= 0:
            return
        if self.last is not None:
            m, y = self.last
            self.squares += (x / n - y / m) ** 2 / (1 / n + 1 / m)
            self.rates += (x + y) / (n + m)
            self.differences += 1
        self.bad += x
        self.last = (n, x)

    @property
    def phi(self) -> float:
        return self.squares / self.rates if self.rates > 0 else 1.0

    @property
    def bursts(self) -> float:
        """Bad events over the mean size of a burst, (phi + 1) / 2."""
        return self.bad / ((max(self.phi, 1.0) + 1) / 2)

    @property
    def variance(self) -> float:
        """Of the estimate, relative to its square."""
        return 3 / max(self.differences, 1) + 9 / max(self.bursts, 0.001)


def together(many: Iterable[Dispersion]) -> Dispersion:
    """The pool: sums over all lines of a signal (of one bound), the total among them."""
    pool = Dispersion()
    for one in many:
        pool.squares += one.squares
        pool.rates += one.rates
        pool.differences += one.differences
        pool.bad += one.bad
    return pool


def safe(phi: float) -> float:
    """Bursts that cross the bound of a block hide a part of phi - 1."""
    return 1 + 1.2 * (phi - 1)


@dataclass
class Isolation:
    """Bursts of one version in one pool, by its largest line: blocks with bad events that follow each other."""

    bursts: int = 0
    bad: float = 0.0
    goes_on: bool = False

    def add_block(self, bad: float) -> None:
        if bad > 0 and not self.goes_on:
            self.bursts += 1
        self.bad += bad
        self.goes_on = bad > 0

    @property
    def phi(self) -> float:
        """2 m - 1 for the largest mean burst m that fits."""
        if self.bursts == 0:
            return math.inf
        last = self.bursts / (self.bad + 1)
        last -= 0.7 * math.sqrt(last * (1 - last) / (self.bad + 2))
        return 2 / max(last, 1e-9) - 1


def phi_of(own: Dispersion, pool: Dispersion, isolation: Isolation) -> tuple[float, bool]:
    """A pair leans on its pool; one standard error on top. And whether it is known: else a bound stands for it."""
    trust = own.bursts / (own.bursts + 30)
    phi = pool.phi + trust * (own.phi - pool.phi)
    error = math.sqrt(trust**2 * own.variance + (1 - trust) ** 2 * pool.variance)
    known = isolation.bad >= 15
    bound = min(phi * (1 + min(error, 1.0)) if known else 4.0, isolation.phi)
    return bound, known or bound <= 2


def bound_of(baseline: tuple[float, bool], candidate: tuple[float, bool]) -> float:
    """V1's phi; where that is unknown V2's, and where both are unknown the lesser bound."""
    if baseline[1]:
        phi = baseline[0]
    elif candidate[1]:
        phi = candidate[0]
    else:
        phi = min(baseline[0], candidate[0])
    return max(safe(phi), 1.05)


def phi_of_candidate(own: Dispersion, phi_baseline: float, rate: float) -> float:
    """It starts at V1's, which is worth ten blocks."""
    before = 1 + (phi_baseline - 1) / 1.2
    return safe((own.squares + 10 * rate * before) / (own.rates + 10 * rate))


class OneVersion:
    """What one version's blocks tell of its bursts. A pool has all lines of a signal (and of one bound)."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.lines = {pair: Dispersion() for pair in pairs}
        self._isolation = {pair[:2]: Isolation() for pair in pairs}

    def add_block(self, block: Mapping[Pair, tuple[float, float]]) -> None:
        for pair, (n, x) in block.items():
            self.lines[pair].add_block(n, x)
        for pool, isolation in self._isolation.items():
            isolation.add_block(max(x for pair, (_, x) in block.items() if pair[:2] == pool))

    def phis(self) -> dict[Pair, tuple[float, bool]]:
        pools = {pool: together(d for p, d in self.lines.items() if p[:2] == pool) for pool in self._isolation}
        own = {pair: phi_of(line, pools[pair[:2]], self._isolation[pair[:2]]) for pair, line in self.lines.items()}
        return {pair: found if found[1] else lent(pair, own) or found for pair, found in own.items()}


def lent(pair: Pair, own: Mapping[Pair, tuple[float, bool]]) -> tuple[float, bool] | None:
    """The most that is known of the signal, at any bound and in any line."""
    known = [phi for other, (phi, is_known) in own.items() if is_known and other.signal == pair.signal]
    return (max(known), True) if known else None


class History:
    """V1's rate per stratum and phi per pair, worked out again whenever a block of 10 s is full."""

    def __init__(self, migration: Migration) -> None:
        self._migration = migration
        self.pairs = migration.pairs
        self.strata = {pair: migration.strata(pair) for pair in self.pairs}
        self.past = {stratum: Past() for strata in self.strata.values() for stratum in strata}
        self._baseline, self._candidate = OneVersion(self.pairs), OneVersion(self.pairs)
        self._block: dict[Stratum, Brought] = {}
        self._seconds = 0.0
        self._waiting: list[dict[Pair, tuple[float, float]]] = []  # V2's last two blocks do not count yet
        self._alarmed: set[str] = set()
        self._refresh()

    def distrust(self, signals: set[str]) -> None:
        """While an alarm of a signal stands, V2's blocks of it do not count, nor those that wait."""
        self._alarmed = signals
        self._waiting = [{pair: self._trusted(pair, *block[pair]) for pair in block} for block in self._waiting]

    def _trusted(self, pair: Pair, n: float, x: float) -> tuple[float, float]:
        return (0.0, 0.0) if pair.signal in self._alarmed else (n, x)

    def add(self, counts: Counts, seconds: float) -> None:
        for stratum, brought in counts.items():
            self._block[stratum] = self._block.get(stratum, NOTHING).plus(brought)
        self._seconds += seconds
        if self._seconds >= 10 - 1e-6:
            self._close_block()
            self._block, self._seconds = {}, 0.0
            self._refresh()

    def _close_block(self) -> None:
        for stratum, past in self.past.items():
            brought = self._block.get(stratum, NOTHING)
            past.add_block(brought.n1, brought.x1, self._seconds)
        blocks = {pair: self._over_strata(pair) for pair in self.pairs}
        self._baseline.add_block({pair: (block.n1, block.x1) for pair, block in blocks.items()})
        self._waiting.append({pair: self._trusted(pair, block.n2, block.x2) for pair, block in blocks.items()})
        if len(self._waiting) > 2:
            self._candidate.add_block(self._waiting.pop(0))

    def _over_strata(self, pair: Pair) -> Brought:
        total = NOTHING
        for stratum in self.strata[pair]:
            total = total.plus(self._block.get(stratum, NOTHING))
        return total

    def _refresh(self) -> None:
        self.phi_baseline, self.phi_shown, self.phi, self.learning = {}, {}, {}, {}
        ours, theirs = self._baseline.phis(), self._candidate.phis()
        for pair in self.pairs:
            self.learning[pair] = not (ours[pair][1] or theirs[pair][1])
            bound = bound_of(ours[pair], theirs[pair])
            phi = 1.3 if self.learning[pair] else bound
            self.phi_baseline[pair] = phi
            shown = max(phi, phi_of_candidate(self._candidate.lines[pair], phi, self._rate(pair)))
            self.phi_shown[pair] = shown
            self.phi[pair] = max(shown, bound)

    def _rate(self, pair: Pair) -> float:
        pasts = [self.past[stratum] for stratum in self.strata[pair]]
        return rate_of(sum(past.events for past in pasts), sum(past.bad for past in pasts))

    def upper(self, pair: Pair, stratum: Stratum) -> float:
        return self.past[stratum].upper(self.phi[pair])

    def mixed_rate(self, pair: Pair) -> float | None:
        """V1's share of bad events in a pair; None before V1 has answered anything there."""
        pasts = [self.past[stratum] for stratum in self.strata[pair]]
        events = sum(past.events for past in pasts)
        return sum(past.rate * past.events for past in pasts) / max(events, 1.0) if events > 0 else None


# ---------------------------------------------------------------- the evidence


def side_by_side(brought: Brought, r: float, phi: float) -> float:
    """Nats of one evaluation in one stratum for "V2's rate is r times V1's"."""
    n1, x1, n2, x2 = brought
    if n1 <= 0 or n2 <= 0:
        return 0.0
    return x2 * math.log(r) / phi - (x1 + x2) * price(n2 / (n1 + n2), r, phi)


def price(rho: float, r: float, phi: float) -> float:
    """The price c of a bad event: the lesser root y = exp(-c) of s q y^2 - b y + 1 = 0."""
    s = r ** (1 / phi)
    q = (phi - 1) / (phi + 1)  # a burst goes on with this probability
    b = q * (1 + s) + (1 - q) * (1 + rho * (s - 1))
    return -math.log((b - math.sqrt(b * b - 4 * s * q)) / (2 * s * q))


def rise(h: float, x: float) -> float:
    return math.lgamma(h + x) - math.lgamma(h)


def against_history(n2: float, x2: float, r: float, upper: float, phi: float) -> float:
    """Nats for "r times the past's upper bound" against "the past's upper bound"."""
    if n2 <= 0:
        return 0.0
    h = n2 * upper / (phi - 1)
    return rise(r * h, x2) - rise(h, x2) - (r - 1) * h * math.log(phi)


@dataclass
class Cusum:
    """Against history, for one ratio: the closed blocks since it was last zero, and one that grows."""

    r: float
    settled: float = 0.0
    seconds: float = 0.0
    block: dict[Stratum, tuple[float, float]] = field(default_factory=dict)

    def add(
        self,
        history: History | WithoutBursts,
        pair: Pair,
        amounts: Mapping[Stratum, tuple[float, float]],
        seconds: float,
    ) -> float:
        """Evidence now. The growing block is weighed as one, by the rates as they are known now."""
        self.seconds += seconds
        for stratum, (n, x) in amounts.items():
            m, y = self.block.get(stratum, (0.0, 0.0))
            self.block[stratum] = (m + n, y + x)
        phi = history.phi[pair]
        evidence = self.settled + sum(
            against_history(n, x, self.r, history.upper(pair, stratum), phi) for stratum, (n, x) in self.block.items()
        )
        if evidence <= 0:
            self.restart()
        elif self.seconds >= 10 - 1e-6:
            self.settled, self.seconds, self.block = evidence, 0.0, {}
        return evidence

    def restart(self) -> None:
        self.settled, self.seconds, self.block = 0.0, 0.0, {}


@dataclass
class Evidence:
    """All that is gathered for one pair, by ratio."""

    since_start: dict[float, float] = field(default_factory=lambda: dict.fromkeys(RATIOS, 0.0))
    change: dict[float, float] = field(default_factory=lambda: dict.fromkeys(RATIOS, 0.0))
    guard: dict[float, float] = field(default_factory=lambda: dict.fromkeys(RATIOS, 0.0))
    cusums: dict[float, Cusum] = field(default_factory=lambda: {r: Cusum(r) for r in RATIOS})
    baseline: tuple[Cusum, ...] = field(default_factory=lambda: (Cusum(2.0), Cusum(20.0)))
    clip: float = 3.5  # nats that one evaluation adds side by side at most

    def restart(self) -> None:
        """After a recovery."""
        for statistic in (self.since_start, self.change, self.guard):
            statistic.update(dict.fromkeys(RATIOS, 0.0))
        for cusum in self.cusums.values():
            cusum.restart()

    def add(self, history: History | WithoutBursts, pair: Pair, counts: Counts, seconds: float) -> Standing:
        own = {stratum: counts.get(stratum, NOTHING) for stratum in history.strata[pair]}
        of_v1 = {stratum: (brought.n1, brought.x1) for stratum, brought in own.items()}
        of_v2 = {stratum: (brought.n2, brought.x2) for stratum, brought in own.items()}
        against, guard = {}, {}
        for r in RATIOS:
            beside = sum(side_by_side(brought, r, history.phi[pair]) for brought in own.values())
            beside = min(beside, self.clip)
            self.since_start[r] += beside
            self.change[r] = max(self.change[r], 0.0) + beside
            self.guard[r] += beside
            guard[r] = self.guard[r]
            against[r] = self.cusums[r].add(history, pair, of_v2, seconds)
            if against[r] <= 0:
                self.guard[r] = 0.0
        baseline = max(cusum.add(history, pair, of_v1, seconds) for cusum in self.baseline)
        return Standing(log_mean(self.since_start.values()), max(self.change.values()), against, guard, baseline)


@dataclass(frozen=True)
class Standing:
    """The statistics of a pair after an evaluation, in nats."""

    since_start: float
    change: float
    history: dict[float, float]
    guard: dict[float, float]
    baseline: float
    penalty: float = 0.0


def with_penalties(standings: Mapping[Pair, Standing]) -> dict[Pair, Standing]:
    """Every test of a pair needs 4 nats more where V1 itself has left its history; far enough in any pair, of all."""
    everywhere = any(each.baseline >= 6 for each in standings.values())
    return {
        pair: replace(each, penalty=4.0 if everywhere or each.baseline >= 4 else 0.0)
        for pair, each in standings.items()
    }


def log_mean(nats: Iterable[float]) -> float:
    values = list(nats)
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values) / len(values))


# ---------------------------------------------------------------- the alarm


@dataclass(frozen=True)
class Needed:
    """What each statistic of a pair must reach, in nats."""

    since_start: float
    change: float
    history: float


def thresholds(budget: float, weight: float, phi: float, tick: float) -> Needed:
    if weight == 0:
        return Needed(math.inf, math.inf, math.inf)
    looks = math.log(3600 / tick)
    return Needed(
        since_start=math.log(1 / (0.3 * budget * weight)) + 1,
        change=math.log(1 / (0.2 * budget * weight)) + min(6.2 + 1.2 * math.log(phi), looks),
        history=math.log(1 / (0.5 * budget * weight)) + min(4.2 + min(1.8 * math.log(phi), 2.5), looks),
    )


def level_of(standing: Standing, needed: Needed) -> float:
    """The largest guard among the ratios whose evidence against history suffices."""
    guards = [standing.guard[r] for r in RATIOS if standing.history[r] >= needed.history]
    return max(guards, default=-math.inf) - standing.penalty


def guard_of_rank(moved: float) -> float:
    """4.7 + ln(moved / k), and .6 of what its logarithm exceeds ln 6 by."""
    return 4.7 + max(math.log(moved), 0.0) + 0.6 * max(math.log(moved / 6), 0.0)


def guards_needed(levels: Mapping[Pair, float], moved: int) -> dict[Pair, float]:
    """e-BH: the k-th largest guard needs that of moved / k, and with it pass all that are larger."""
    many = max(moved, 1)
    if all(level == -math.inf for level in levels.values()):
        return dict.fromkeys(levels, guard_of_rank(many))
    ranked = sorted(levels, key=lambda pair: -levels[pair])
    needed = {pair: guard_of_rank(many / k) for k, pair in enumerate(ranked, 1)}
    passing = [k for k, pair in enumerate(ranked) if levels[pair] >= needed[pair]]
    for pair in ranked[: passing[-1]] if passing else []:
        needed[pair] = needed[ranked[passing[-1]]]
    return needed


def distance(standing: Standing, needed: Needed, guard: float) -> float:
    """Nats from the alarm: negative before it."""
    both = [min(standing.history[r] - needed.history, standing.guard[r] - standing.penalty - guard) for r in RATIOS]
    beside = max(standing.since_start - needed.since_start, standing.change - needed.change) - standing.penalty
    return max(beside, *both)


def distance_alone(standing: Standing, needed: Needed) -> float:
    """At 100 %: against V1's frozen history alone."""
    return max(standing.history[r] for r in RATIOS) - needed.history - 3


@dataclass
class Recovery:
    """A fresh test of "at least the harmful increase above V1's upper bound", again whenever it is used up."""

    nats: float = 0.0
    seconds: float = 0.0

    def add(self, history: History, pair: Pair, counts: Counts, harmful: float, seconds: float) -> None:
        for stratum in history.strata[pair]:
            brought, upper = counts.get(stratum, NOTHING), history.upper(pair, stratum)
            margin = harmful if harmful > 0 else max(upper / 2, 0.01)
            self.nats += (brought.n2 * margin - brought.x2 * math.log1p(margin / upper)) / history.phi_baseline[pair]
        self.seconds += seconds if served(history, pair, counts) else 0.0
        if self.nats <= 0:
            self.restart()

    def restart(self) -> None:
        self.nats, self.seconds = 0.0, 0.0

    def shown(self, recovery: float) -> bool:
        return self.nats >= math.log(20) and self.seconds >= recovery


def served(history: History, pair: Pair, counts: Counts) -> bool:
    return any(counts.get(stratum, NOTHING).n2 > 0 for stratum in history.strata[pair])


@dataclass(frozen=True)
class Alarm:
    """Of the pair that went furthest, when it was raised."""

    pair: Pair
    since: float
    evidence: float
    suffices: float
    of_late: tuple[float, float]  # by V1, of V2


class WithoutBursts:
    """The history, with phi 1.3 where bursts are unknown."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.strata = history.strata

    @property
    def phi(self) -> dict[Pair, float]:
        history = self._history
        return {pair: 1.3 if history.learning[pair] else history.phi[pair] for pair in history.pairs}

    def upper(self, pair: Pair, stratum: Stratum) -> float:
        return self._history.upper(pair, stratum)


class Earlier:
    """V2's regressions before the phase, in blocks of 10 s: its blocks do not count while one lasts."""

    def __init__(self, migration: Migration, history: History, harmful: Callable[[Pair], float]) -> None:
        self._migration, self._history, self._harmful = migration, history, harmful
        self._weighed_by = WithoutBursts(history)
        self._evidence = {pair: Evidence(clip=35.0) for pair in history.pairs}
        self._recovery = {pair: Recovery() for pair in history.pairs}
        self._worse: set[Pair] = set()
        self._block: dict[Stratum, Brought] = {}
        self._seconds = 0.0

    def add(self, seconds: float, counts: Counts) -> None:
        for stratum, brought in counts.items():
            self._block[stratum] = self._block.get(stratum, NOTHING).plus(brought)
        self._seconds += seconds
        if self._seconds >= 10 - 1e-6:
            if any(brought.n2 > 0 for brought in self._block.values()):
                self._weigh(self._block, self._seconds)
            self._block, self._seconds = {}, 0.0

    def _weigh(self, block: Counts, seconds: float) -> None:
        weight = 1 / len(self._history.pairs)
        phis = self._weighed_by.phi
        needed = {pair: thresholds(0.1, weight, phis[pair], 10) for pair in self._history.pairs}
        now = with_penalties(
            {pair: each.add(self._weighed_by, pair, block, seconds) for pair, each in self._evidence.items()}
        )
        moved = sum(max(each.history.values()) >= 3 for each in now.values())
        guards = guards_needed({pair: level_of(now[pair], needed[pair]) for pair in now}, moved)
        over = {pair for pair in now if distance(now[pair], needed[pair], guards[pair]) >= 0}
        self._end(block, seconds)
        for pair in over - self._worse:
            self._recovery[pair].restart()
        self._worse |= over
        self._history.distrust({pair.signal for pair in self._worse})

    def _end(self, block: Counts, seconds: float) -> None:
        if not self._worse:
            return
        for pair, recovery in self._recovery.items():
            recovery.add(self._history, pair, block, self._harmful(pair), seconds)
        ended = {pair for pair in self._worse if self._recovery[pair].shown(self._migration.recovery)}
        self._worse -= ended
        for pair in (ended if self._worse else self._evidence) if ended else ():
            self._evidence[pair].restart()


Line = tuple[str, str]  # signal, line


class Judge:
    """One phase of a migration. `distance`, `needed`, `history`, `alarms` and `ended` are there to be compared."""

    def __init__(self, migration: Migration) -> None:
        self.migration = migration
        self.history = History(migration)
        self.evidence = {pair: Evidence() for pair in self.history.pairs}
        self.recovery = {pair: Recovery() for pair in self.history.pairs}
        self.earlier = Earlier(migration, self.history, self._harmful)
        self.recent: dict[Stratum, Brought] = {}  # half life 10 s
        self.weights: dict[Pair, float] = {}
        self.needed: dict[Pair, Needed] = {}
        self.distance: dict[Pair, float] = {}
        self.alarms: dict[Line, Alarm] = {}
        self.raised: list[Alarm] = []
        self.ended: list[tuple[Alarm, float]] = []

    def feed(self, time: float, seconds: float, since: float, counts: Counts) -> None:
        """An evaluation enters the history last, which must not know it before; from before the phase it enters nothing
        else.

        `since`: the oldest sample on which the evaluation's increments rest.
        """
        if since >= self.migration.started:
            self._weigh(time, seconds, counts)
        elif time <= self.migration.started:
            self.earlier.add(seconds, counts)
        self.history.add(counts, seconds)

    def _weigh(self, time: float, seconds: float, counts: Counts) -> None:
        self._note_recent(counts, seconds)
        self.weights = self.weights or weights_of(self.migration, self.history)
        self.needed = {pair: self.thresholds(pair) for pair in self.history.pairs}
        self.distance = self._distances(counts, seconds)
        just_ended = self._end(time, seconds, counts)
        self._raise(time, just_ended)
        self.history.distrust({signal for signal, _ in self.alarms})

    def _note_recent(self, counts: Counts, seconds: float) -> None:
        keep = 0.5 ** (seconds / 10)
        for stratum in self.history.past:
            before = self.recent.get(stratum, NOTHING)
            self.recent[stratum] = Brought(*(keep * each for each in before)).plus(counts.get(stratum, NOTHING))

    def thresholds(self, pair: Pair) -> Needed:
        return thresholds(self.migration.budget, self.weights[pair], self.history.phi[pair], self.migration.tick)

    def _distances(self, counts: Counts, seconds: float) -> dict[Pair, float]:
        each_alone = {pair: each.add(self.history, pair, counts, seconds) for pair, each in self.evidence.items()}
        now = with_penalties(each_alone)
        if self.migration.alone:
            return {pair: distance_alone(now[pair], self.needed[pair]) for pair in now}
        levels = {pair: level_of(now[pair], self.needed[pair]) for pair in now}
        moved = sum(max(now[pair].history.values()) >= 3 for pair in now if self.weights[pair] > 0)
        guards = guards_needed(levels, moved)
        return {pair: distance(now[pair], self.needed[pair], guards[pair]) for pair in now}

    def suffices(self, pair: Pair) -> float:
        """What an alarm's sentence says: ln of 1 / the pair's share of the budget."""
        return math.log(1 / (self.migration.budget * self.weights[pair]))

    def of_late(self, pair: Pair) -> tuple[float, float]:
        """Bad rates at V2's mix: as V1, blended with 100 events of its history, would have it; and V2's own."""
        expected = bad = events = 0.0
        for stratum in self.history.strata[pair]:
            n1, x1, n2, x2 = self.recent.get(stratum, NOTHING)
            expected += n2 * (x1 + 100 * self.history.past[stratum].rate) / (n1 + 100)
            bad += x2
            events += n2
        return (expected / events, bad / events) if events > 0 else (0.0, 0.0)

    # ------------------------------------------------------------ alarms

    def _pairs(self, line: Line) -> list[Pair]:
        return [pair for pair in self.history.pairs if (pair.signal, pair.line) == line]

    def _harmful(self, pair: Pair) -> float:
        floor = floor_of(self.migration.signal(pair.signal), pair)
        return floor / 2 if 0 < floor < math.inf else self.migration.signal(pair.signal).harmful

    def _is_over(self, pair: Pair) -> bool:
        if self.distance[pair] < 0:
            return False
        expected, rate = self.of_late(pair)
        signal = self.migration.signal(pair.signal)
        return rate - expected >= signal.harmful and rate >= floor_of(signal, pair)

    def _raise(self, time: float, but: set[Line]) -> None:
        for line in {(pair.signal, pair.line): None for pair in self.history.pairs}:
            over = [pair for pair in self._pairs(line) if self._is_over(pair)]
            if over and line not in self.alarms and line not in but and line[1] in self.migration.given:
                self.alarms[line] = self._alarm(max(over, key=lambda pair: self.distance[pair]), time)
                self.raised.append(self.alarms[line])
                for pair in self._pairs(line):
                    self.recovery[pair].restart()

    def _alarm(self, pair: Pair, time: float) -> Alarm:
        suffices = self.suffices(pair)
        return Alarm(pair, time, suffices + self.distance[pair], suffices, self.of_late(pair))

    def _end(self, time: float, seconds: float, counts: Counts) -> set[Line]:
        if not self.alarms:
            return set()
        for pair, recovery in self.recovery.items():
            recovery.add(self.history, pair, counts, self._harmful(pair), seconds)
        recovered = {line for line, alarm in self.alarms.items() if self._has_recovered(alarm.pair, counts)}
        forgotten: set[Line] = set()
        for line in recovered:
            self.ended.append((self.alarms.pop(line), time))
            forgotten |= self._left_by(line)
        for pair in self.history.pairs:
            if (pair.signal, pair.line) in forgotten:
                self.evidence[pair].restart()
                self.distance[pair] = -math.inf
        return forgotten

    def _left_by(self, ended: Line) -> set[Line]:
        """The lines whose evidence starts again: all when no alarm is left, those of a signal when none of it is."""
        lines = {(pair.signal, pair.line) for pair in self.history.pairs}
        if not self.alarms:
            return lines
        left = {signal for signal, _ in self.alarms}
        return {ended} | {line for line in lines if line[0] == ended[0] and ended[0] not in left}

    def _has_recovered(self, pair: Pair, counts: Counts) -> bool:
        return self.recovery[pair].shown(self.migration.recovery) and served(self.history, pair, counts)


# ---------------------------------------------------------------- the budget


def weights_of(migration: Migration, history: History) -> dict[Pair, float]:
    """Equally over the lines that V2 may serve; within a histogram, over the bounds that tell as the phase begins."""
    lines = [(signal, line) for signal in migration.signals for line in signal.lines if line in migration.given]
    weights = dict.fromkeys(history.pairs, 0.0)
    for signal, line in lines:
        every = [Pair(signal.name, bound, line) for bound in signal.bounds]
        pairs = telling(history, [pair for pair in every if floor_of(signal, pair) < math.inf])
        weights.update(dict.fromkeys(pairs, 1 / len(lines) / max(len(pairs), 1)))
    return weights


def floor_of(signal: Signal, pair: Pair) -> float:
    """The share of times above a bound from which it matters: none above p95's target, never below every target."""
    limits = signal.limits.get(pair.line, {})
    if pair.bound is None or not limits:
        return 0.0
    if pair.bound >= limits.get(0.95, limits[max(limits)]):
        return 0.0
    if pair.bound < min(limits.values()):
        return 0.0 if pair.bound == signal.bounds[-1] else math.inf
    return 1 - max(quantile for quantile, limit in limits.items() if limit <= pair.bound)


def telling(history: History, pairs: list[Pair]) -> list[Pair]:
    """Of a histogram's bounds, those which between .3 % and 60 % exceed, and the lowest that fewer do."""
    rates = {pair: history.mixed_rate(pair) for pair in pairs}
    if len(pairs) <= 1 or None in rates.values():
        return pairs
    some = [pair for pair, rate in rates.items() if rate is not None and 0.003 <= rate <= 0.6]
    rare = [pair for pair, rate in rates.items() if rate is not None and rate < 0.003]
    return some + rare[:1] or pairs[-1:]


# ---------------------------------------------------------------- from the judge's own input


def of(schema: Any, plan: Any) -> Judge:
    """A plain judge of the same spec, histogram bounds and plan."""
    spec = schema.spec
    signals = tuple(
        Signal(
            name,
            {"ratio": (None,), "histogram": schema.bounds.get(name, ())}.get(signal.kind, ()),
            getattr(signal, "harmful_increase", 0.0) if signal.kind == "ratio" else 0.0,
            _limits(spec, name, schema.strata[name].lines) if signal.kind == "histogram" else {},
            schema.strata[name].leaves,
            schema.strata[name].lines,
        )
        for name, signal in spec.signals.items()
        if signal.kind != "gauge"
    )
    given = frozenset(line for signal in signals for line in signal.lines if plan.gives(line))
    alone = max(plan.shares.values(), default=0.0) == 1
    rule = spec.judge
    return Judge(Migration(signals, given, plan.started, alone, rule.false_alarm_budget, rule.tick, rule.recovery))


def counts_of(schema: Any, increments: Any) -> dict[Stratum, Brought]:
    """What an evaluation's raw increments, (2, columns), say of each stratum."""
    found = {}
    for name, signal in schema.spec.signals.items():
        if signal.kind not in ("ratio", "histogram"):
            continue
        for bound in (None,) if signal.kind == "ratio" else schema.bounds[name]:
            for segment in schema.strata[name].leaves:
                both = [_counted(schema, signal, name, bound, segment, increments[version]) for version in (0, 1)]
                found[Stratum(name, bound, segment)] = Brought(*both[0], *both[1])
    return found


def _counted(
    schema: Any, signal: Any, name: str, bound: float | None, segment: str, amounts: Any
) -> tuple[float, float]:
    """Events and bad ones: those counted as bad, those not counted as good, or those not below the bound."""

    def amount(part: str | float) -> float:
        return float(amounts[schema.column(name, part, segment)])

    if bound is not None:
        return amount("events"), amount("events") - amount(bound)
    if signal.bad is not None:
        return amount("events"), amount("bad")
    return amount("events"), amount("events") - amount("good")


def follow(bench: Any) -> Judge:
    """A plain judge that is fed whatever the engine of this bench (judge_world) is fed, just after it."""
    judge, feed = of(bench.schema, bench.plan), bench.engine.feed

    def both(look: Any) -> None:
        feed(look)
        judge.feed(look.time, look.seconds, look.since, counts_of(bench.schema, look.increments))

    bench.engine.feed = both
    return judge


def _limits(spec: Any, name: str, lines: tuple[str, ...]) -> dict[str, dict[float, float]]:
    """Of each line: its segment's own targets where it has any, else the signal's."""

    def read(targets: Any) -> dict[float, float]:
        return {float(f"0.{quantile[1:]}"): limit for quantile, limit in targets if limit is not None}

    usual = read(spec.signals[name].quantile_targets.items())
    own = {segment: read(each.latency) for segment, each in spec.segments.named.items()}
    return {line: own.get(line.split("/")[0]) or usual for line in lines}
