"""Parts of a world are killed in the middle of an alarm: what people are told of it, and what readers of the verdict.

An alarm is one fault of the candidate: one notice that it begins, one that it ended. Twice in each alarm, as the fault
begins and once people know, one part of every kind is killed at the same time; all are started again seconds later.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.harness import Bar, Result

from bascule.conventions import Verdict
from bascule.errors import BasculeError
from chaos.people import Told
from chaos.shop_world import ShopWorld

FEW = 4  # kills of each part
WARM_SECONDS = 25.0
TOLD_SECONDS = 40.0
OVER_SECONDS = 120.0
ASK_SECONDS = 0.1
STALE_SECONDS = 3.0  # after which an evaluation says nothing of the present


@dataclass
class Heard:
    """What the readers of the verdict were told, and when (monotonic seconds)."""

    at: list[float] = field(default_factory=list)
    said: list[Verdict] = field(default_factory=list)

    def since(self, moment: float) -> list[tuple[float, Verdict]]:
        return [(at, said) for at, said in zip(self.at, self.said, strict=True) if at >= moment]


@dataclass
class Alarm:
    """One fault: what was lost meanwhile, what people heard, and the longest time without a verdict."""

    lost: list[str]
    begun: list[str]
    ended: list[str]
    again: int  # notices that came twice under one key
    gap: float
    split: int  # verdicts other than roll back between the first and the fault's end
    told: list[str] = field(repr=False, default_factory=list)  # all that came, with the seconds since the fault began


def asked() -> tuple[int, int]:
    """How often each part is killed, and the seed, by BASCULE_CHAOS."""
    kills, _, seed = os.environ.get("BASCULE_CHAOS", str(FEW)).partition(":")
    return int(kills), int(seed or 1)


class Alarms:
    """`kills`: of each part that can be lost."""

    def __init__(self, world: ShopWorld, kills: int, seed: int) -> None:
        self.world, self.kills = world, kills
        self.rng = random.Random(seed)
        self.heard, self.stop = Heard(), threading.Event()

    def run(self) -> Result:
        self.world.open()
        asking = threading.Thread(target=self._ask, daemon=True)
        try:
            asking.start()
            time.sleep(WARM_SECONDS)
            alarms = [self._alarm(*lost) for lost in self._losses()]
            incidents = [each.model_dump(mode="json") for each in self.world.journal.incidents()]
            own = self.world.bars()
        finally:
            self.stop.set()
            self.world.close()
        return Result(
            [*self._bars(alarms), *own], {"alarms": [vars(alarm) for alarm in alarms], "incidents": incidents}
        )

    def _losses(self) -> Iterator[tuple[list[str], list[str]]]:
        """What is killed together, twice for each alarm; each part as often as asked."""
        lost = [[name for name in names for _ in range(self.kills)] for names in self.world.victims.values()]
        for names in lost:
            self.rng.shuffle(names)
        together = (list(names) for names in zip(*lost, strict=True))
        return zip(together, together, strict=True)

    # ------------------------------------------------------------ one alarm

    def _alarm(self, first: list[str], second: list[str]) -> Alarm:
        world, rng = self.world, self.rng
        before = len(world.hook.told)
        began = time.monotonic()
        world.fails = True
        time.sleep(rng.uniform(0, 6))
        self._lose(first, rng.uniform(3, 8))
        world.wait(lambda: _begun(world.hook.told[before:]), TOLD_SECONDS)
        time.sleep(rng.uniform(1, 5))
        self._lose(second, rng.uniform(3, 8))
        over = time.monotonic()
        world.fails = False
        world.wait(lambda: _ended(world.hook.told[before:]), OVER_SECONDS)
        time.sleep(8)  # for what comes twice
        alarm = self._seen([*first, *second], world.hook.told[before:], began, over)
        print(f"  {alarm}", flush=True)
        return alarm

    def _lose(self, names: list[str], seconds: float) -> None:
        for name in names:
            self.world.kill(name)
        time.sleep(seconds)
        for name in names:
            self.world.start(name)

    def _seen(self, lost: list[str], told: Sequence[Told], began: float, over: float) -> Alarm:
        answers = [(at, said) for at, said in self.heard.since(began) if at <= over]
        times = [began, *(at for at, said in answers if said is not Verdict.NO_DATA), over]
        gap = max(later - sooner for sooner, later in itertools.pairwise(times))
        said = [verdict for _, verdict in answers]
        first = said.index(Verdict.ROLL_BACK) if Verdict.ROLL_BACK in said else len(said)
        keys = Counter(each.key for each in told)
        unix = time.time() - time.monotonic() + began
        return Alarm(
            lost,
            [each.subject for each in _begun(told)],
            [each.subject for each in _ended(told)],
            sum(keys.values()) - len(keys),
            round(gap, 2),
            sum(verdict is not Verdict.ROLL_BACK for verdict in said[first:]),
            [f"{each.at - unix:.0f} s: {each.subject} | {each.text[:600]}" for each in told],
        )

    def _ask(self) -> None:
        """As a pipeline or a page does."""
        while not self.stop.wait(ASK_SECONDS):
            try:
                answer = self.world.judges.verdict()
            except BasculeError:
                continue
            if answer.tick is not None and time.time() - answer.tick.timestamp() <= STALE_SECONDS:
                self.heard.said.append(Verdict(answer.verdict))
                self.heard.at.append(time.monotonic())

    # ------------------------------------------------------------ the result

    def _bars(self, alarms: Sequence[Alarm]) -> Iterator[Bar]:
        lost = Counter(name for alarm in alarms for name in alarm.lost)
        for name in itertools.chain(*self.world.victims.values()):
            yield Bar(f"kills of {name}", lost[name], "", self.kills, "at_least")
        yield Bar("beginnings missing", sum(not alarm.begun for alarm in alarms), f"of {len(alarms)}", 0)
        yield Bar("ends missing", sum(not alarm.ended for alarm in alarms), f"of {len(alarms)}", 0)
        doubled = sum(max(0, len(told) - 1) for alarm in alarms for told in (alarm.begun, alarm.ended))
        yield Bar("notices doubled", doubled + sum(alarm.again for alarm in alarms), "", 0)
        yield Bar("longest time without a verdict", max((alarm.gap for alarm in alarms), default=None), "s", 3.0)
        yield Bar("split verdicts in an alarm", sum(alarm.split for alarm in alarms), "", 0)


def _begun(told: Sequence[Told]) -> list[Told]:
    """Notices that the alarm begins; what is added to its situation later is told once more, and names it second."""
    return [each for each in told if "CandidateWorse" in each.subject and "CRITICAL" in each.subject]


def _ended(told: Sequence[Told]) -> list[Told]:
    return [each for each in told if "CandidateWorse" in each.subject and "RESOLVED" in each.subject]
