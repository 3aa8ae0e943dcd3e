"""What was true, and what people were told of it: pure, on recorded times (Unix seconds).

A beginning is owed when its condition held for its alert's `for` + 10 s while a detector and the journal lived and it
was neither silenced nor in maintenance; also when a critical one held for a minute while Prometheus and either the
journal or Alertmanager lived. An end is owed when nothing of the unit held for a while and both could see
it. An end is false when the condition had held without a break for a while before it was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Span = tuple[float, float]
PATIENCE_SECONDS = 10.0  # beyond an alert's `for`, in which a beginning must be told
MERGED_SECONDS = 15.0  # beginnings of one unit that are closer are one
STAND_IN_SECONDS = 62.0  # in which Alertmanager itself tells of what is critical
END_SECONDS = 20.0  # of a gap in which an end must be told
FALSE_SECONDS = 15.0  # for which the condition must have held to make an end false


class Switch:
    """Something that is on or off, and when that changed."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._since: float | None = None

    def set(self, on: bool, now: float) -> None:
        if on and self._since is None:
            self._since = now
        elif not on and self._since is not None:
            self._spans.append((self._since, now))
            self._since = None

    @property
    def is_on(self) -> bool:
        return self._since is not None

    def spans(self, end: float) -> list[Span]:
        return self._spans + ([(self._since, end)] if self._since is not None else [])


def both(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """Where two sets of spans overlap."""
    overlaps = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return sorted((start, end) for start, end in overlaps if end > start)


def without(spans: Sequence[Span], holes: Iterable[Span]) -> list[Span]:
    """What is left of spans once the holes are cut out."""
    left = list(spans)
    for low, high in holes:
        left = [part for a, b in left for part in ((a, min(b, low)), (max(a, high), b)) if part[1] > part[0]]
    return sorted(left)


def joined(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """Spans that touch, or are closer than `gap`, as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


@dataclass(frozen=True)
class Condition:
    """An alert of a unit: when it held, when its beginning and its end could be seen, and its `for` (seconds)."""

    alert: str
    held: Sequence[Span]
    seen: Sequence[Span]
    hold: float
    end_seen: Sequence[Span] | None = None  # as its beginning, when None
    stand_in: Sequence[Span] = ()  # when Prometheus and any route lived

    @property
    def ends(self) -> Sequence[Span]:
        return self.seen if self.end_seen is None else self.end_seen


@dataclass(frozen=True)
class Word:
    """A message about a unit: when it was written, and whether it says that something begins (or goes on) or ended."""

    at: float
    is_end: bool


@dataclass
class Verdict:
    """What one channel was told of one unit."""

    owed: int = 0
    unheard: list[Span] = field(default_factory=list)
    ends_owed: int = 0
    untold_ends: list[Span] = field(default_factory=list)
    false_ends: list[float] = field(default_factory=list)


def windows(condition: Condition) -> list[Span]:
    """From when to when a beginning was owed: the time in which it could be seen, of conditions that held enough."""
    quick = _long(both(condition.held, condition.seen), condition.hold + PATIENCE_SECONDS)
    slow = _long(both(condition.held, condition.stand_in), STAND_IN_SECONDS)
    return quick + slow


def _long(spans: Sequence[Span], seconds: float) -> list[Span]:
    return [span for span in spans if span[1] - span[0] >= seconds]


def judge(conditions: Sequence[Condition], words: Sequence[Word], end: float, taken: Sequence[float] = ()) -> Verdict:
    """`end`: when everything had been healthy and quiet for a long time; `taken`: when a person acknowledged it, who
    knows then, and whose word stops the calls."""
    found = Verdict()
    told = sorted(words, key=lambda word: word.at)
    held = joined((span for each in conditions for span in each.held), MERGED_SECONDS)
    owed = sorted((a, b, each.hold) for each in conditions for a, b in windows(each))
    for start, stop in held:
        inside = [(a, b, hold) for a, b, hold in owed if start <= a < stop]
        if inside:
            found.owed += 1
            a = min(b for _, b, _ in inside)
            calls = any(start <= word.at <= stop + PATIENCE_SECONDS and not word.is_end for word in told)
            is_taken = any(start <= at <= stop for at in taken)
            if not (calls or is_taken or _is_firing(told, a)):
                found.unheard.append((start, stop))
    _ends(found, conditions, told, held, end)
    return found


def _is_firing(told: Sequence[Word], at: float) -> bool:
    before = [word for word in told if word.at <= at]
    return bool(before) and not before[-1].is_end


def _ends(found: Verdict, conditions: Sequence[Condition], told: Sequence[Word], held: list[Span], end: float) -> None:
    seen = conditions[0].ends
    for each in conditions[1:]:
        seen = both(seen, each.ends)
    starts = [start for start, _ in held[1:]] + [end]
    for (_, stop), following in zip(held, starts, strict=True):
        quiet = [b - a for a, b in both([(stop, following)], seen)]
        if max(quiet, default=0.0) >= END_SECONDS and _is_firing(told, stop):
            found.ends_owed += 1
            if _is_firing(told, following):
                found.untold_ends.append((stop, following))
    for word in told:
        if word.is_end and any(
            a <= word.at - FALSE_SECONDS and word.at < b for each in conditions for a, b in each.held
        ):
            found.false_ends.append(word.at)
