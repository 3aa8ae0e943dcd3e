"""Who must be told what, and when. Pure: the journal and a time in, notices out; each once, however often it is asked.

- a step of the escalation falls due `after` the situation's severity began, unless someone acknowledged it; a step
  whose receiver cannot be reached is followed by the next one at once
- conventions.py says how many steps a severity notifies, and how often the last of them is reminded
- everyone who was notified also learns of new alerts of the situation, of the acknowledgement, of the end and of a new
  start
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bascule.conventions import NoticeKind, Severity
from bascule.incidents.model import BEGINNINGS, Incident, Notice
from bascule.prometheus.held import is_recent
from bascule.spec.model import EscalationStep

# New alerts of a situation are told together: this long after what was told last, the more often the later.
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


def due(
    situation: Situation,
    steps: Sequence[EscalationStep],
    told: Sequence[Notice],
    now: float,
    at_once: Sequence[str] = (),
    others: Sequence[str] = (),
) -> list[Notice]:
    """The notices that fell due by `now` and were not told yet; their keys say what they are.

    `at_once`: receivers that are told of everything critical or warning, whatever the steps say; `others`: all that
    may be told when no step can be reached.
    """
    known = {notice.key for notice in told}
    wanted = [*_wanted(situation, steps, told, now, others), *_at_once(situation, at_once, now)]
    return [notice for notice in wanted if notice.key not in known]


def _at_once(situation: Situation, receivers: Sequence[str], now: float) -> Iterator[Notice]:
    if Severity.of(situation.severity).pages and situation.resolved is None:
        for to in receivers:
            yield _notice(situation, 0, NoticeKind.STEP, f"{situation.severity}.at-once.{situation.began:.3f}", to, now)


def _wanted(
    situation: Situation, steps: Sequence[EscalationStep], told: Sequence[Notice], now: float, others: Sequence[str]
) -> Iterator[Notice]:
    if situation.resolved is not None:
        yield from _to_everyone(situation, told, NoticeKind.OVER, f"{situation.resolved:.3f}", now)
        return
    if situation.reopened:
        yield from _to_everyone(situation, told, NoticeKind.AGAIN, f"{situation.reopened:.3f}", now)
    if situation.acknowledged is not None:
        yield from _to_everyone(situation, told, NoticeKind.TAKEN, f"{situation.acknowledged:.3f}", now)
    else:
        yield from _steps(situation, steps, told, now, others)
        yield from _reminders(situation, told, now)
        yield from _growth(situation, told, now)


def _steps(
    situation: Situation, steps: Sequence[EscalationStep], told: Sequence[Notice], now: float, others: Sequence[str]
) -> Iterator[Notice]:
    ladder = [(step.after, step.to) for step in steps]
    levels = Severity.of(situation.severity).levels
    reach = len(ladder) if levels is None else min(levels, len(ladder))
    substitutes = [to for _, to in ladder[reach:]] + [to for to in others if to not in {to for _, to in ladder}]
    reached = ladder[:reach] + [(float("inf"), to) for to in dict.fromkeys(substitutes)] if reach else []
    passed = max(0.0, now - situation.began)  # a clock that was set back keeps nobody from hearing at once
    for index, (after, to) in enumerate(reached):
        if passed >= after or _unheard(situation, told, index - 1, now):
            yield _notice(situation, index, NoticeKind.STEP, _mark(situation, index), to, now)


def _mark(situation: Situation, index: int) -> str:
    """A more severe alert, or a new beginning, climbs the levels again."""
    return f"{situation.severity}.{index}.{situation.began:.3f}"


def _unheard(situation: Situation, told: Sequence[Notice], index: int, now: float) -> bool:
    """Whether the step before was told a while ago and nobody has it."""
    start = f"{situation.id}:{NoticeKind.STEP}:{_mark(situation, index)}:"
    before = [notice for notice in told if notice.key.startswith(start)]
    return bool(before) and all(n.outcome != "delivered" and not is_recent(n.at, now, UNHEARD_SECONDS) for n in before)


def _reminders(situation: Situation, told: Sequence[Notice], now: float) -> Iterator[Notice]:
    """Only the latest one that is due: after a pause nobody wants the missed ones too."""
    reached = [notice for notice in told if notice.kind == NoticeKind.STEP and notice.at >= situation.began]
    if not reached:
        return
    last = max(reached, key=lambda notice: notice.step)
    number = int((now - last.at) // Severity.of(situation.severity).reminder_seconds)
    if number >= 1:
        mark = f"{_mark(situation, last.step)}.{number}"
        yield _notice(situation, last.step, NoticeKind.REMINDER, mark, last.receiver, now)


def _growth(situation: Situation, told: Sequence[Notice], now: float) -> Iterator[Notice]:
    """What does not page by itself does not page when it joins."""
    newest = max((i for i in situation.incidents if Severity.of(i.severity).pages), key=lambda i: i.id, default=None)
    latest = max((notice.at for notice in told), default=None)
    if newest is None or latest is None or newest.received <= latest or is_recent(latest, now, _pause(told, now)):
        return
    if situation.began > latest:  # the levels are climbed again, which reports it
        return
    yield from _to_everyone(situation, told, NoticeKind.GREW, f"{newest.id}.{newest.received:.3f}", now)


def _pause(told: Sequence[Notice], now: float) -> float:
    """Seconds until new alerts are told: the first ones are news, those of a storm are not."""
    lately = {each.at for each in told if each.kind == NoticeKind.GREW and is_recent(each.at, now, _LATELY_SECONDS)}
    return _GROWTH_SECONDS[min(len(lately), len(_GROWTH_SECONDS) - 1)]


def _to_everyone(situation: Situation, told: Sequence[Notice], kind: str, mark: str, now: float) -> Iterator[Notice]:
    """To everyone who was notified of the situation, once each."""
    for receiver in dict.fromkeys(notice.receiver for notice in told if notice.kind in BEGINNINGS):
        yield _notice(situation, 0, kind, mark, receiver, now)


def _notice(situation: Situation, step: int, kind: str, mark: str, receiver: str, now: float) -> Notice:
    return Notice(f"{situation.id}:{kind}:{mark}:{receiver}", situation.id, step, kind, receiver, now)
