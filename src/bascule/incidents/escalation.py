"""Who must be told what, and when. Pure: the journal and a time in, notices out; each once, however often it is asked.

- a step of the escalation falls due `after` the situation's severity began, unless someone acknowledged it; a step
  whose receiver cannot be reached is followed by the next one at once
- conventions.py says how many steps a severity notifies, and how often who was notified is reminded
- everyone who was notified also learns of new alerts of the situation, of the acknowledgement, of the end and of a new
  start (once: by a step, if one calls them for it): each by what they were told themselves, whatever others were told
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bascule.conventions import NoticeKind, Severity
from bascule.incidents.model import BEGINNINGS, Incident, Notice, owed_the_end
from bascule.prometheus.held import is_recent
from bascule.spec.model import EscalationStep

# New alerts of a situation are told together: this long after what the receiver was told last, the more often later.
_GROWTH_SECONDS = (10.0, 20.0, 40.0, 60.0)
_LATELY_SECONDS = 300.0
UNHEARD_SECONDS = 60.0  # after which a step that could not be told is followed by the next one
CALLS = (NoticeKind.STEP, NoticeKind.REMINDER, NoticeKind.GREW, NoticeKind.AGAIN)  # these ask somebody to act


@dataclass(frozen=True)
class Situation:
    """Incidents of one kind and cause that were open together, the first one first. Times are Unix seconds.

    `severity`: of the most severe that is open (of all, once all are over); `began`: since when it has that severity
    without a break; `acknowledged`: when all that is open was.
    """

    id: int
    kind: str
    severity: str
    opened: float
    began: float
    acknowledged: float | None
    acknowledged_by: str
    resolved: float | None
    incidents: tuple[Incident, ...]

    @classmethod
    def of(cls, incidents: Sequence[Incident]) -> Situation:
        first = incidents[0]
        unresolved = [incident for incident in incidents if incident.resolved is None]
        taken = _last_taken(unresolved or incidents)
        severity = min((i.severity for i in unresolved or incidents), key=lambda text: Severity.of(text).rank)
        reopened = max((incident.reopened or 0.0 for incident in incidents), default=0.0)
        return cls(
            id=first.situation,
            kind=first.kind,
            severity=severity,
            opened=min(incident.received for incident in incidents),
            began=max(reopened, _since(i for i in incidents if i.severity == severity)),
            acknowledged=taken.acknowledged if taken else None,
            acknowledged_by=taken.acknowledged_by if taken else "",
            resolved=None if unresolved else max(incident.resolved or 0.0 for incident in incidents),
            incidents=tuple(incidents),
        )

    @property
    def reopened(self) -> float:
        """When one of its incidents last began again; 0 when none did."""
        return max(incident.reopened or 0.0 for incident in self.incidents)

    @property
    def by_weight(self) -> list[Incident]:
        """What is told first: the open before the ended, the most severe before the others, the newest first."""
        return sorted(
            self.incidents, key=lambda i: (i.resolved is not None, Severity.of(i.severity).rank, -i.began, -i.id)
        )

    @property
    def lead(self) -> Incident:
        """The incident that gives the situation its title."""
        return self.by_weight[0]


def _last_taken(incidents: Sequence[Incident]) -> Incident | None:
    """The one acknowledged last; None while one of them is not."""
    taken = [incident for incident in incidents if incident.acknowledged is not None]
    return max(taken, key=lambda i: i.acknowledged or 0.0) if len(taken) == len(incidents) else None


def _since(incidents: Iterable[Incident]) -> float:
    """When the last of them that overlap without a gap began; Unix seconds. What took the place of another is new."""
    since = until = float("-inf")
    for incident in sorted(incidents, key=lambda each: each.received):
        if incident.received >= until:
            since = incident.received
        until = max(until, float("inf") if incident.resolved is None else incident.resolved)
    return since


@dataclass(frozen=True)
class Hearer:
    """What one receiver was told of a situation, in that order."""

    name: str
    told: tuple[Notice, ...]

    @property
    def calls(self) -> list[Notice]:
        return [notice for notice in self.told if notice.kind in CALLS]

    @property
    def latest(self) -> float:
        """When it heard last; Unix seconds."""
        return max(notice.heard for notice in self.told)

    def has_step_within(self, begin: float, end: float) -> bool:
        """Whether a step called it in that span, Unix seconds."""
        return any(notice.kind == NoticeKind.STEP and begin <= notice.at <= end for notice in self.told)

    @property
    def knows(self) -> int:
        """The last incident that it was called for. What is written down later is news, whatever time it bears."""
        return max((notice.newest for notice in self.calls), default=0)


def _hearers(told: Sequence[Notice], people: Sequence[str]) -> list[Hearer]:
    """Those of the people that were called, the first one first."""
    names = dict.fromkeys(notice.receiver for notice in told if notice.kind in BEGINNINGS)
    return [Hearer(name, tuple(n for n in told if n.receiver == name)) for name in names if name in people]


@dataclass(frozen=True)
class Audience:
    """Who may be told of a situation, as the spec says it now. `steps`: of its kind's escalation; `at_once`: told of
    everything critical or warning, whatever the steps say; `people`: all that may be told when no step can be reached.
    """

    steps: Sequence[EscalationStep]
    at_once: Sequence[str] = ()
    people: Sequence[str] = ()


def due(situation: Situation, audience: Audience, told: Sequence[Notice], now: float) -> list[Notice]:
    """The notices that fell due by `now` and were not told yet; their keys say what they are. `told`: in the order
    that they were written down."""
    known = {notice.key for notice in told}
    hearers = _hearers(told, audience.people)
    if situation.resolved is not None:
        wanted = _end(situation, told, audience.people, now)
    else:
        wanted = _while_open(situation, hearers, audience, told, now)
    new = [notice for notice in wanted if notice.key not in known]
    called = {notice.receiver for notice in new}  # by what lists everything already
    further = _further(situation, [each for each in hearers if each.name not in called], now)
    return new + [notice for notice in further if notice.key not in known]


def _while_open(
    situation: Situation, hearers: Sequence[Hearer], audience: Audience, told: Sequence[Notice], now: float
) -> list[Notice]:
    is_taken = situation.acknowledged is not None
    wanted = [*(_taken(situation, hearers, now) if is_taken else _steps(situation, audience, told, now))]
    wanted += _at_once(situation, audience, now)
    known = {notice.key for notice in told}
    by_steps = {notice.receiver for notice in wanted if notice.kind == NoticeKind.STEP and notice.key not in known}
    others = [each for each in hearers if each.name not in by_steps]
    return [*_again(situation, others, now), *wanted]


def _at_once(situation: Situation, audience: Audience, now: float) -> Iterator[Notice]:
    if Severity.of(situation.severity).pages and situation.resolved is None:
        mark = f"{situation.severity}.at-once.{situation.began:.3f}"
        for to in audience.at_once:
            yield _notice(situation, 0, NoticeKind.STEP, mark, to, now)


def _end(situation: Situation, told: Sequence[Notice], people: Sequence[str], now: float) -> list[Notice]:
    mark = f"{situation.resolved:.3f}"
    return [_notice(situation, 0, NoticeKind.OVER, mark, to, now) for to in owed_the_end(told) if to in people]


def _again(situation: Situation, hearers: Sequence[Hearer], now: float) -> Iterator[Notice]:
    if situation.reopened:
        for each in hearers:
            if not each.has_step_within(situation.reopened, now):
                yield _notice(situation, 0, NoticeKind.AGAIN, f"{situation.reopened:.3f}", each.name, now)


def _taken(situation: Situation, hearers: Sequence[Hearer], now: float) -> Iterator[Notice]:
    for each in hearers:
        yield _notice(situation, 0, NoticeKind.TAKEN, f"{situation.acknowledged:.3f}", each.name, now)


def _steps(situation: Situation, audience: Audience, told: Sequence[Notice], now: float) -> Iterator[Notice]:
    ladder = [(step.after, step.to) for step in audience.steps]
    levels = Severity.of(situation.severity).levels
    reach = len(ladder) if levels is None else min(levels, len(ladder))
    named = {to for _, to in ladder}
    substitutes = [to for _, to in ladder[reach:]] + [to for to in audience.people if to not in named]
    reached = ladder[:reach] + [(float("inf"), to) for to in dict.fromkeys(substitutes)] if reach else []
    passed = max(0.0, now - situation.began)  # a clock that was set back keeps nobody from hearing at once
    before: Notice | None = None
    for index, (after, to) in enumerate(reached):
        notice = _notice(situation, index, NoticeKind.STEP, _mark(situation, index), to, now)
        if passed >= after or _unheard(before, told, now):
            yield notice
        before = notice


def _mark(situation: Situation, index: int) -> str:
    """A more severe alert, or a new beginning, climbs the levels again."""
    return f"{situation.severity}.{index}.{situation.began:.3f}"


def _unheard(step: Notice | None, told: Sequence[Notice], now: float) -> bool:
    """Whether the step was told a while ago and nobody has it."""
    found = next((notice for notice in told if step is not None and notice.key == step.key), None)
    return found is not None and found.outcome != "delivered" and not is_recent(found.at, now, UNHEARD_SECONDS)


def _further(situation: Situation, hearers: Sequence[Hearer], now: float) -> Iterator[Notice]:
    """What calls each of those again who were called, until someone acknowledges."""
    if situation.resolved is None and situation.acknowledged is None:
        for each in hearers:
            yield from _reminder(situation, each, now) or _growth(situation, each, now)


def _reminder(situation: Situation, hearer: Hearer, now: float) -> list[Notice]:
    """Only the latest one that is due: after a pause nobody wants the missed ones too. Who is owed a call hears that
    first: a receiver that is back after hours would get all at the same time."""
    seconds = Severity.of(situation.severity).reminder_seconds
    step = next((notice for notice in reversed(hearer.told) if _is_of_climb(situation, notice)), None)
    if step is None or is_recent(hearer.latest, now, seconds) or any(n.outcome == "pending" for n in hearer.calls):
        return []
    mark = f"{_mark(situation, step.step)}.{(now - step.at) // seconds:.0f}"
    return [_notice(situation, step.step, NoticeKind.REMINDER, mark, hearer.name, now)]


def _is_of_climb(situation: Situation, notice: Notice) -> bool:
    """Whether a step was told for what is open now, and not for what was more severe, or is over."""
    is_step = notice.kind == NoticeKind.STEP and Severity.of(situation.severity).pages
    mark = notice.key.removeprefix(f"{situation.id}:{NoticeKind.STEP}:{situation.severity}.")
    return is_step and mark != notice.key and mark.endswith(f".{situation.began:.3f}:{notice.receiver}")


def _growth(situation: Situation, hearer: Hearer, now: float) -> list[Notice]:
    """What does not page by itself does not page when it joins."""
    newest = max((i for i in situation.incidents if Severity.of(i.severity).pages), key=lambda i: i.id, default=None)
    if newest is None or newest.id <= hearer.knows or is_recent(hearer.latest, now, _pause(hearer, now)):
        return []
    return [_notice(situation, 0, NoticeKind.GREW, f"{newest.id}.{newest.received:.3f}", hearer.name, now)]


def _pause(hearer: Hearer, now: float) -> float:
    """Seconds until new alerts are told: the first ones are news, those of a storm are not."""
    lately = [n for n in hearer.told if n.kind == NoticeKind.GREW and is_recent(n.at, now, _LATELY_SECONDS)]
    return _GROWTH_SECONDS[min(len(lately), len(_GROWTH_SECONDS) - 1)]


def _notice(situation: Situation, step: int, kind: str, mark: str, receiver: str, now: float) -> Notice:
    newest = max(incident.id for incident in situation.incidents)
    return Notice(f"{situation.id}:{kind}:{mark}:{receiver}", situation.id, step, kind, receiver, now, newest=newest)
