"""Settings proposed from a stretch of history, and what each would have cost: bursts, margins, traffic, budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.sampling.schema import Pair
from bascule.judge.statistics.detectable import FOUND_WITHIN_SECONDS, Setting, median_delay, smallest_ratio
from bascule.judge.texts import share_text
from bascule.units import number_text

LEAST_TRAFFIC, MOST_TRAFFIC = 0.1, 1e4  # requests a second of the candidate: no suggestion beyond


@dataclass(frozen=True)
class Suggestion:
    """A setting proposed from the history, and what it would have cost or gained."""

    setting: str
    value: str
    why: str


def suggest(engines: Sequence[PhaseEngine]) -> list[Suggestion]:
    """What the history tells, by the last step in which both versions answered."""
    weighed = [engine for engine in engines if engine.compared]
    if not weighed:
        return []
    return [*_of_signals(weighed[-1]), *_of_budget(weighed)]


def _of_signals(engine: PhaseEngine) -> Iterator[Suggestion]:
    for number, pair in enumerate(engine.schema.pairs):
        if pair.segment == TOTAL_SEGMENT and pair.bound is None:
            setting = engine.setting(number)
            yield _bursts(pair, setting)
            yield from _margin(pair, setting)
            yield from _traffic(engine, pair, setting)


def _bursts(pair: Pair, setting: Setting) -> Suggestion:
    why = (
        f"bad events come in bursts of about {(setting.phi + 1) / 2:.1f} events; evidence is divided by phi to allow "
        f"for that, and takes about {number_text(setting.phi)} times as long as with single events"
    )
    return Suggestion(f"signals.{pair.signal}: phi", f"{setting.phi:.2f}", why)


def _margin(pair: Pair, setting: Setting) -> Iterator[Suggestion]:
    ratio = smallest_ratio(setting)
    if ratio is not None:
        value = f"{100 * setting.rate * (ratio - 1):.2g}pt"
        why = (
            f"at this traffic, a smaller increase of the rate of {share_text(setting.rate)} is not detectable within "
            f"{FOUND_WITHIN_SECONDS:.0f} s"
        )
        yield Suggestion(f"signals.{pair.signal}.harmful_increase", value, why)


def _traffic(engine: PhaseEngine, pair: Pair, setting: Setting) -> Iterator[Suggestion]:
    """The candidate's traffic at which the declared increase is found in time, the split being as it is."""
    harm = engine.schema.spec.signals[pair.signal].harm
    factor = _needed(setting, 1 + harm / setting.rate) if harm and setting.rate > 0 else None
    if factor is not None:
        needed = factor * setting.candidate_per_second
        why = (
            f"with it, the declared increase of {number_text(100 * harm)} pt is detectable within "
            f"{FOUND_WITHIN_SECONDS:.0f} s; "
            f"the replay had {number_text(setting.candidate_per_second)} requests/s"
        )
        yield Suggestion(
            f"signals.{pair.signal}: least traffic of the candidate", f"{number_text(needed)} requests/s", why
        )


def _needed(setting: Setting, ratio: float) -> float | None:
    """How many times the present traffic a rate `ratio` times the baseline's needs; None where none is enough."""
    if setting.candidate_per_second <= 0 or setting.baseline_per_second <= 0:
        return None
    factor = LEAST_TRAFFIC / setting.candidate_per_second
    while _delay(setting, ratio, factor) > FOUND_WITHIN_SECONDS:
        factor *= 1.1
        if factor * setting.candidate_per_second > MOST_TRAFFIC:
            return None
    return factor


def _delay(setting: Setting, ratio: float, factor: float) -> float:
    more = replace(
        setting,
        baseline_per_second=factor * setting.baseline_per_second,
        candidate_per_second=factor * setting.candidate_per_second,
    )
    return median_delay(more, ratio)


def _of_budget(engines: Sequence[PhaseEngine]) -> Iterator[Suggestion]:
    """How near a stretch without an alarm came to one. A larger budget lowers every threshold by its logarithm."""
    if any(engine.raised for engine in engines):
        return
    missing = -max(float(engine.nearest.max(initial=-math.inf)) for engine in engines)
    if 0 < missing < math.inf:
        budget = engines[-1].schema.spec.judge.false_alarm_budget
        why = (
            f"no evidence came within {missing:.1f} of its alert threshold: a budget up to {math.exp(missing):.2g} "
            "times as large would not have raised an alarm"
        )
        yield Suggestion("judge.false_alarm_budget", share_text(budget), why)
