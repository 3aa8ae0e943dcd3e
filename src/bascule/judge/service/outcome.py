"""What is thought of an engine at a moment: lines, gates, triggers, and the verdict that follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from bascule.conventions import TOTAL_SEGMENT, State
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.evidence.figures import SignalReading
from bascule.judge.evidence.measures import Measures
from bascule.judge.evidence.recent import SHOWN_SECONDS
from bascule.judge.layout import BASELINE, CANDIDATE
from bascule.judge.sampling.forgotten import DroppedHistory
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.sampling.schema import Cell
from bascule.judge.sampling.surroundings import Sight, Standing, Surroundings
from bascule.judge.service.explain import comparison_text, why_text
from bascule.judge.service.gates import gates_of, triggers_of
from bascule.judge.service.share import SegmentShare, shares_of
from bascule.judge.service.verdict import Gate, Judgement, SignalComparison, Trigger, VerdictFacts, judge
from bascule.judge.texts import clock_text, share_text, span_text, where_text
from bascule.states import Cause, Missing, first_of, most_telling

WORSE_REFUGE = 0.02  # by so much more must the baseline fail before it is not a place to go back to
HUNG_CLIENTS = 3.0  # that left in a minute without any answer: no accident
LOST_INTERVALS = 2.5  # without a scrape, until a target counts as gone
CLOCK_SECONDS = 5.0  # that the clocks of the plan's machine and of Prometheus' may differ


@dataclass(frozen=True)
class JudgeOutcome:
    """What the judge thinks at a moment."""

    judgement: Judgement
    lines: tuple[SignalComparison, ...]
    gates: tuple[Gate, ...]
    triggers: tuple[Trigger, ...]
    plan: PlanStep
    now: float
    shares: tuple[SegmentShare, ...] = ()
    missing: tuple[Missing, ...] = ()  # whatever the verdict is
    history_from: float | None = None  # the first evaluation that is known, Unix seconds
    forgotten: DroppedHistory | None = None


def outcome_of(engine: PhaseEngine, around: Surroundings) -> JudgeOutcome:
    """Everything that is shown, and the verdict."""
    measures = engine.measures()
    counted = engine.unattributed.problems(engine.sums) | engine.contradictions.problems
    around = replace(around, problems={**around.problems, **counted})
    missing = _missing(engine, around)
    cause = first_of(each.cause for each in missing)
    lines = tuple(_line(engine, cell, measures, around, cause) for cell in engine.schema.cells)
    gates = gates_of(engine, measures, around, cause)
    triggers = triggers_of(engine, around, cause)
    unseen = missing or _of_lines(lines, around)
    shares = shares_of(engine, around)
    off_plan = tuple(each.text for each in shares if each.state is State.BAD)
    facts = VerdictFacts(
        engine.plan,
        around.now,
        lines,
        gates,
        triggers,
        unseen,
        _most_events(lines),
        off_plan,
        _against(engine, triggers),
        _no_refuge(engine, around),
        _worse_refuge(engine),
        around.firing,
    )
    judgement = judge(engine.schema.spec, facts)
    return JudgeOutcome(
        judgement,
        lines,
        gates,
        triggers,
        engine.plan,
        around.now,
        shares,
        most_telling(unseen),
        engine.history_from,
        around.forgotten,
    )


def _against(engine: PhaseEngine, triggers: Iterable[Trigger]) -> tuple[str, ...]:
    """What calls for a rollback, in figures of now: those of the moment at which an alarm rose are history."""
    alarms = (engine.alarm_now(cell) for cell in engine.schema.cells if cell in engine.standing)
    return (*alarms, *(trigger.text for trigger in triggers if trigger.state is State.BAD))


def _no_refuge(engine: PhaseEngine, around: Surroundings) -> tuple[Missing, ...]:
    """Why the baseline cannot take the traffic back, whether the plan gives it any or not."""
    name = engine.schema.spec.versions.baseline
    found = unseen(name, around.sights[BASELINE], around)
    if found is None and not engine.alone:
        found = _silent(engine, around, BASELINE)
    return (found,) if found else ()


def _worse_refuge(engine: PhaseEngine) -> str:
    """How much more the baseline fails recently than the candidate; nothing where it does not."""
    errors, versions = engine.schema.spec.errors, engine.schema.spec.versions
    ratios = engine.ratios_of((errors.name, TOTAL_SEGMENT)) if errors is not None and not engine.alone else None
    if errors is None or ratios is None:
        return ""
    baseline, candidate = ratios
    if baseline - candidate < max(errors.signal.harm, WORSE_REFUGE):
        return ""
    both = f"{versions.baseline} {share_text(baseline)}, {versions.candidate} {share_text(candidate)}"
    return f"{errors.name}, last {SHOWN_SECONDS} s: {both}."


def _of_lines(lines: Iterable[SignalComparison], around: Surroundings) -> tuple[Missing, ...]:
    """Why the verdict has to wait for comparisons: what is wrong with a signal's series once, the rest by segment."""
    waiting = [line for line in lines if line.state is State.NO_DATA and _holds(line)]
    names = dict.fromkeys(line.signal for line in waiting if line.signal in around.problems)
    wrong = [replace(found := around.problems[name], text=f"{name}: no data ({found.text}).") for name in names]
    return (*wrong, *_by_segment(line for line in waiting if line.signal not in names))


def _holds(line: SignalComparison) -> bool:
    """Nobody knows what a selector counts that is unproven: then a signal holds the verdict that else may be absent."""
    return line.required or line.cause is Cause.UNPROVEN


def _by_segment(lines: Iterable[SignalComparison]) -> Iterator[Missing]:
    alike: dict[tuple[Cause, str], list[str]] = {}
    for line in lines:
        alike.setdefault((line.cause or Cause.NO_SERIES, line.segment), []).append(line.signal)
    for (cause, segment), signals in alike.items():
        yield Missing(cause, f"{', '.join(signals)} {where_text(segment)}: no data ({why_text(cause)}).")


def _most_events(lines: Iterable[SignalComparison]) -> float:
    return max((line.reading.events_candidate for line in lines if line.segment == TOTAL_SEGMENT), default=0.0)


def _missing(engine: PhaseEngine, around: Surroundings) -> tuple[Missing, ...]:
    """Why a version is not seen, in words; a version to which the plan gives nothing is not missed."""
    if engine.plan.started > around.now + CLOCK_SECONDS:
        ahead = span_text(engine.plan.started - around.now)
        what = f"The plan's step begins {ahead} ahead of Prometheus' clock: the clocks of the two machines differ."
        return (Missing(Cause.CLOCK, what),)
    if around.stored is not None and around.now - around.stored > around.stale:
        age = span_text(around.now - around.stored)
        return (Missing(Cause.NOT_STORED, f"Prometheus has stored no sample of any target for {age}."),)
    share = engine.plan.share(TOTAL_SEGMENT)
    wanted = (share is None or share < 1, share is None or share > 0)
    both = engine.schema.spec.versions.both
    versions = [version for version in (BASELINE, CANDIDATE) if wanted[version]]
    found = [unseen(both[version], around.sights[version], around) for version in versions]
    if not any(found):
        found = [_silent(engine, around, version) for version in versions]
    if not any(found):
        found = _without_traffic(engine, around)
    return tuple(missing for missing in found if missing is not None)


def _silent(engine: PhaseEngine, around: Surroundings, version: int) -> Missing | None:
    """A version that counts nothing while the other is served."""
    gap, both = engine.silence.gap(version), engine.schema.spec.versions.both
    if gap is None:
        return None
    name, other = both[version], both[1 - version]
    what = (
        f"{name} has counted no requests since {clock_text(gap.since)}; {other} has counted {gap.other:,.0f}. "
        f"By the plan, about {gap.expected:,.0f} were expected.{_left(around.left[version])}"
    )
    return Missing(Cause.SILENT, what, name)


def _hung(name: str, since: float, clients: float) -> Missing | None:
    """Clients that came and got no answer, while nobody got one."""
    if clients < HUNG_CLIENTS:
        return None
    return Missing(Cause.SILENT, f"{name} has counted no requests since {clock_text(since)}.{_left(clients)}", name)


def _left(clients: float) -> str:
    return f" In the last minute {clients:,.0f} clients left without their answer." if clients >= 1 else ""


def _without_traffic(engine: PhaseEngine, around: Surroundings) -> list[Missing | None]:
    """Neither version gets requests; or, by the load balancer, both should and count none."""
    since, versions = engine.silence.no_traffic_since(around.now), engine.schema.spec.versions.both
    if since is None:
        return []
    if around.unanswered is not None:
        why = f"since {clock_text(since)}, while the load balancer took {around.unanswered:,.0f} in the last minute."
        return [Missing(Cause.SILENT, f"{name} has counted no requests {why}", name) for name in versions]
    hung = [_hung(name, since, around.left[version]) for version, name in enumerate(versions)]
    if any(hung):
        return hung
    neither = f"neither {' nor '.join(versions)} has counted any requests since {clock_text(since)}."
    return [Missing(Cause.NO_TRAFFIC, f"No traffic: {neither}")]


def _line(
    engine: PhaseEngine, cell: Cell, measures: Measures, around: Surroundings, unseen: Cause | None
) -> SignalComparison:
    name, segment = cell
    signal, is_inner = engine.schema.spec.signals[name], engine.schema.strata[name].is_inner(segment)
    reading = measures.reading(name, segment)
    pair, evidence, threshold = engine.evidence_of(cell)
    state = _state(engine, cell, reading, around, unseen is not None)
    problem = around.problems.get(name)
    is_cheap = state is not State.NOT_APPLICABLE and not is_inner  # the smallest effect of thousands costs too much
    line = SignalComparison(
        signal=name,
        segment=segment,
        state=state,
        unit=signal.unit,
        reading=reading,
        evidence=evidence,
        threshold=threshold,
        alarm=engine.standing.get(cell),
        detectable_ratio=engine.detectable_ratio(cell, pair, around.now) if is_cheap else None,
        learning=state in (State.OK, State.BAD) and engine.is_learning(cell),
        required=signal.has_bad_events and not is_inner,
        cause=_cause(engine, cell, reading, around, unseen) if state is State.NO_DATA else None,
    )
    return replace(line, text=comparison_text(line, problem.text if problem else ""))


def _cause(
    engine: PhaseEngine, cell: Cell, reading: SignalReading, around: Surroundings, unseen: Cause | None
) -> Cause:
    problem = around.problems.get(cell[0])
    known = unseen, problem.cause if problem else None, reading.unknown
    found = [cause for cause in known if cause is not None]
    if engine.is_quiet(cell, around.now):
        found.append(Cause.NO_TRAFFIC)
    if reading.events_candidate > 0 and not engine.knows_baseline(cell):
        found.append(Cause.NO_BASELINE)
    return first_of(found) or Cause.TOO_FEW


def _state(engine: PhaseEngine, cell: Cell, reading: SignalReading, around: Surroundings, missing: bool) -> State:
    name, segment = cell
    if not engine.plan.gives(segment) or (engine.plan.number == 0 and engine.plan.known):
        return State.NOT_APPLICABLE
    if missing or name in around.problems or not reading.has_both or engine.is_quiet(cell, around.now):
        return State.NO_DATA
    if cell in engine.standing:
        return State.BAD
    return State.OK if reading.unknown is None else State.NO_DATA


def unseen(version: str, sight: Sight, around: Surroundings) -> Missing | None:
    """Why a version counts as not seen; None when it is seen."""
    if sight.up == 0:
        return Missing(Cause.SCRAPE_FAILING, f"{version} is down: {_whose('scrapes', sight.job)} fail.", version)
    if sight.probe is not None and (missing := _not_probed(version, sight.probe, around)):
        return missing
    if sight.newest == -math.inf:
        return Missing(Cause.NO_SERIES, f"No series of {version} has been seen.", version)
    age = around.now - sight.newest
    if age <= around.stale:
        return None
    told = f"No sample of {version} for {age:.0f} s"
    if sight.up is not None or sight.interval == 0:  # it is scraped, and what it exports is old
        return Missing(Cause.STALE, f"{told}.", version)
    if age > LOST_INTERVALS * sight.interval:
        return Missing(Cause.LOST, f"{told}: Prometheus no longer scrapes it.", version)
    why = f"Prometheus scrapes it every {span_text(sight.interval)}, and the spec's interval is shorter"
    return Missing(Cause.STALE, f"{told}: {why}.", version)


def _not_probed(version: str, probe: Standing, around: Surroundings) -> Missing | None:
    if probe.value == 0:
        return Missing(Cause.PROBE_FAILING, f"{version} does not answer: {_whose('probes', probe.job)} fail.", version)
    if probe.value is not None:
        return None
    if probe.newest == -math.inf:
        what = f"No probe of {version} has been seen: check that the blackbox exporter runs."
        return Missing(Cause.NO_SERIES, what, version)
    return Missing(Cause.STALE, f"No probe of {version} for {around.now - probe.newest:.0f} s.", version)


def _whose(what: str, job: str) -> str:
    return f"the {what} of {job}" if job else f"its {what}"
