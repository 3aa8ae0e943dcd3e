"""Either of two judges and of two Alertmanagers is killed in the middle of an alarm: what people are told of it.

    make chaos NAME=roles                        each is killed 3 times, about 6 min
    BASCULE_CHAOS=20 make chaos NAME=roles       20 times; 20:7 with the seed 7

An alarm is one fault of the candidate: one notice that it begins, one that it ended. Two parts are lost in each: the
first as the fault begins, the second once people know. Each is started again after some seconds, before the next.
"""

from __future__ import annotations

import itertools
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness import Bar, Result

from bascule.conventions import Verdict
from bascule.errors import BasculeError
from chaos.pair import VICTIMS, Pair
from chaos.people import Told

FEW = 3  # kills of each
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


def run() -> Result:
    kills, _, seed = os.environ.get("BASCULE_CHAOS", str(FEW)).partition(":")
    with tempfile.TemporaryDirectory(prefix="roles-") as folder:
        return Roles(Pair(Path(folder)), int(kills), int(seed or 1)).run()


class Roles:
    def __init__(self, pair: Pair, kills: int, seed: int) -> None:
        self.pair, self.kills = pair, kills
        self.rng = random.Random(seed)
        self.heard, self.stop = Heard(), threading.Event()

    def run(self) -> Result:
        self.pair.open()
        asking = threading.Thread(target=self._ask, daemon=True)
        try:
            asking.start()
            time.sleep(WARM_SECONDS)
            alarms = [self._alarm(lost) for lost in self._losses()]
            incidents = [each.model_dump(mode="json") for each in self.pair.journal.incidents()]
        finally:
            self.stop.set()
            self.pair.close()
        return Result(list(self._bars(alarms)), {"alarms": [vars(alarm) for alarm in alarms], "incidents": incidents})

    def _losses(self) -> Iterator[list[str]]:
        """Two parts for each alarm, each part as often as asked."""
        left = [name for name in VICTIMS for _ in range(self.kills)]
        self.rng.shuffle(left)
        while left:
            yield [left.pop() for _ in range(min(2, len(left)))]

    # ------------------------------------------------------------ one alarm

    def _alarm(self, lost: list[str]) -> Alarm:
        pair, rng = self.pair, self.rng
        before = len(pair.hook.told)
        began = time.monotonic()
        pair.fails = True
        time.sleep(rng.uniform(0, 6))
        for number, name in enumerate(lost):
            self._lose(name, rng.uniform(3, 8))
            if number == 0:
                pair.wait(lambda: _begun(pair.hook.told[before:]), TOLD_SECONDS)
                time.sleep(rng.uniform(1, 5))
        over = time.monotonic()
        pair.fails = False
        pair.wait(lambda: _ended(pair.hook.told[before:]), OVER_SECONDS)
        time.sleep(8)  # for what comes twice
        alarm = self._seen(lost, pair.hook.told[before:], began, over)
        print(f"  {alarm}", flush=True)
        return alarm

    def _lose(self, name: str, seconds: float) -> None:
        self.pair.kill(name)
        time.sleep(seconds)
        self.pair.start(name)

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
                answer = self.pair.judges.verdict()
            except BasculeError:
                continue
            if answer.tick is not None and time.time() - answer.tick.timestamp() <= STALE_SECONDS:
                self.heard.said.append(Verdict(answer.verdict))
                self.heard.at.append(time.monotonic())

    # ------------------------------------------------------------ the result

    def _bars(self, alarms: Sequence[Alarm]) -> Iterator[Bar]:
        lost = Counter(name for alarm in alarms for name in alarm.lost)
        for name in VICTIMS:
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
