"""A lossy world: alerts fire, end, flap, are silenced and inhibited while every part is lost at random moments.

    make chaos NAME=notices                       300 situations, about 15 min
    BASCULE_CHAOS=30 make chaos NAME=notices      30 situations, about 5 min; 30:7 with the seed 7
    BASCULE_CHAOS_PYTHON=…/python make chaos …    the same against another build

Parts: Prometheus, Alertmanager, the incident journal, the judge's stand-in, a mail server, two webhooks; each is
killed, stopped, slowed, restarted, refused or failing at moments that the seed decides. `truth.py` says what is owed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.harness import Bar, Result

from bascule.errors import BasculeError
from bascule.prometheus import Alertmanager
from chaos.people import MODES, SLOW_SECONDS, Told
from chaos.truth import Condition, Switch, Verdict, Word, both, joined, judge, without
from chaos.world import PROGRAMS, World

FEW, MANY = 9, 24  # units that have situations side by side, in a short run and in a long one
MIGRATION = "migration"  # the judge's alarms and the posted ones: one situation in the journal
POSTED_WARNING = "SlaBudgetBurn.warning"
HOLDS = {
    "ServiceDown": 5.0,
    "QueueLong": 3.0,
    "CandidateWorse": 0.0,
    "SlaBudgetBurn": 0.0,
    POSTED_WARNING: 0.0,
}
LOSSES = ("killed", "stopped", "slowed", "restarted")
QUIET_SECONDS = 150.0
RESENT_SECONDS = 95.0  # after its start, from which Alertmanager's silence about what others post says something
RECEIVER = {"mail": "on-call", "hook-a": "on-call", "hook-b": "desk"}
_UNIT = re.compile(r"unit-\d\d")
_CONFIRMED = re.compile(r"confirmed by Prometheus at (\d\d):(\d\d):(\d\d)")
_SITUATION = re.compile(r"situation (\d+) \(")


def run() -> Result:
    size, _, seed = os.environ.get("BASCULE_CHAOS", "300").partition(":")
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        return Run(Path(folder), int(size), int(seed or 1)).run()


class Run:
    def __init__(self, folder: Path, size: int, seed: int) -> None:
        self.seed, self.size = seed, size
        self.rng = random.Random(seed)
        slow = random.Random(f"{seed} slow")
        self.units = [f"unit-{number:02}" for number in range(FEW if size < 100 else MANY)]
        self.world = World(folder, self.units, lambda: slow.uniform(*SLOW_SECONDS))
        self.conditions: dict[tuple[str, str], Switch] = defaultdict(Switch)
        self.suppressed: dict[str, Switch] = defaultdict(Switch)
        self.taken: dict[str, list[float]] = defaultdict(list)  # when a person acknowledged something of a unit
        self.kinds: Counter[str] = Counter()
        self.left = size
        self.broken: list[Exception] = []
        self.stop = threading.Event()
        self.lock = threading.Lock()

    def run(self) -> Result:
        self.world.open()
        try:
            self._play()
            return self._result(time.time())
        finally:
            self.stop.set()
            self.world.close()

    def _play(self) -> None:
        began = time.monotonic()
        time.sleep(10)
        lanes = [threading.Thread(target=self._lane, args=(unit,), daemon=True) for unit in (*self.units, MIGRATION)]
        losing = [
            threading.Thread(target=self._lose, args=(victims, ways, name), daemon=True)
            for name, victims, ways in (
                ("machinery", (*PROGRAMS, "judge"), LOSSES),
                ("people", tuple(self.world.channels), MODES),
            )
        ]
        for thread in (*lanes, *losing):
            thread.start()
        while any(lane.is_alive() for lane in lanes):
            time.sleep(5)
            if self.broken:
                raise self.broken[0]
            begun, lost = self.size - max(0, self.left), sum(self.world.losses.values())
            passed = time.monotonic() - began
            print(f"  {passed:4.0f} s: {begun} of {self.size} situations begun, {lost} losses", flush=True)
        self.stop.set()
        for thread in losing:
            thread.join(60)
        self._heal()
        print("  everything is healthy again; waiting until it is quiet", flush=True)
        self.was_quiet = self.world.wait_until_quiet(QUIET_SECONDS)
        time.sleep(20)

    def _heal(self) -> None:
        for channel in self.world.channels.values():
            channel.set_mode("")
        for name in PROGRAMS:
            self.world.start(name)

    # ------------------------------------------------------------ losing parts

    def _lose(self, victims: tuple[str, ...], ways: tuple[str, ...], name: str) -> None:
        rng = random.Random(f"{self.seed} {name}")
        while not self.stop.wait(rng.uniform(8, 25)):
            self.world.lose(rng.choice(victims), rng.choice(ways), rng.uniform(3, 15), self.stop)

    # ------------------------------------------------------------ situations

    def _lane(self, unit: str) -> None:
        """One unit's situations, one after the other, until enough have begun."""
        try:
            self._situations(unit)
        except Exception as error:  # noqa: BLE001 - raised by the thread that plays the run
            self.broken.append(error)

    def _situations(self, unit: str) -> None:
        rng = random.Random(f"{self.seed} {unit}")
        time.sleep(rng.uniform(0, 10))
        while self._take():
            kind, play = rng.choice(list(self._plays(unit, rng)))
            with self.lock:
                self.kinds[kind] += 1
            play()
            time.sleep(rng.uniform(10, 38))

    def _take(self) -> bool:
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def _plays(self, unit: str, rng: random.Random) -> Iterator[tuple[str, Callable[[], None]]]:
        first, second = ("CandidateWorse", "SlaBudgetBurn") if unit == MIGRATION else ("ServiceDown", "QueueLong")

        def hold(alert: str, low: float, high: float) -> None:
            self._set(unit, alert, True)
            time.sleep(rng.uniform(low, high))
            self._set(unit, alert, False)

        def flap() -> None:
            for _ in range(5):
                hold(first, 1, 4)
                time.sleep(rng.uniform(1, 3))
            hold(first, 18, 30)

        def again() -> None:
            hold(first, 18, 30)
            time.sleep(rng.uniform(3, 14))
            hold(first, 18, 30)

        def joined() -> None:
            self._set(unit, second, True)
            time.sleep(rng.uniform(5, 15))
            hold(first, 15, 30)
            self._set(unit, second, False)

        def acknowledged() -> None:
            self._set(unit, first, True)
            time.sleep(rng.uniform(16, 25))
            self._acknowledge(unit)
            time.sleep(rng.uniform(3, 10))
            self._set(unit, first, False)
            time.sleep(rng.uniform(8, 25))
            hold(first, 18, 30)

        yield "lasts", lambda: hold(first, 65, 80)
        yield "fires", lambda: hold(first, 18, 35)
        yield "warns", lambda: hold(second, 18, 35)
        yield "short", lambda: hold(first, 1, 4)
        yield "flaps", flap
        yield "fires again", again
        yield "joins", joined
        yield "acknowledged", acknowledged
        if unit == MIGRATION:
            yield "inhibited", lambda: self._inhibited(unit, rng)
        else:
            yield "silenced", lambda: self._silenced(unit, rng, hold, first)
            yield "maintenance", lambda: self._maintained(unit, rng, hold, first)

    def _set(self, unit: str, alert: str, on: bool) -> None:
        self.conditions[unit, alert].set(on, time.time())
        if alert == "CandidateWorse":
            self.world.judge.set_alarm(on)
        elif alert.startswith("SlaBudgetBurn"):
            severity = "warning" if alert.endswith("warning") else "critical"
            self.world.poster.set({"alertname": "SlaBudgetBurn", "sla": "uptime", "severity": severity}, on)
        elif alert == "ServiceDown":
            self.world.pages[unit].up = not on
        else:
            self.world.pages[unit].text = f"queue_waiting {int(on)}\n"

    def _acknowledge(self, unit: str) -> None:
        with suppress(BasculeError):
            for incident in self.world.client.incidents():
                if incident.is_open and unit_of(f"{incident.alert} {incident.labels}") == unit:
                    self.world.client.acknowledge(incident.id, "ada")
                    self.taken[unit].append(time.time())
                    return

    def _silenced(self, unit: str, rng: random.Random, hold: Callable[[str, float, float], None], first: str) -> None:
        """The silence ends before the fault does, or after it."""

        def silence() -> Callable[[], None]:
            matcher = {"name": "job", "value": unit, "isRegex": False, "isEqual": True}
            starts, ends = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + s)) for s in (-1, 600))
            body = {"matchers": [matcher], "startsAt": starts, "endsAt": ends, "createdBy": "ada", "comment": "chaos"}
            client = Alertmanager(self.world.spec.stack.url("alertmanager"), 2.0)
            try:
                identity = client.silence(body)
            except BasculeError:
                self._end_silences(client, unit)
                raise
            return lambda: client.expire(identity)

        self._suppressed(unit, rng, hold, first, silence)

    def _end_silences(self, client: Alertmanager, unit: str) -> None:
        """An Alertmanager that hung may have set it after we gave up."""
        quiet_since: float | None = None
        while quiet_since is None or time.monotonic() - quiet_since < 3:
            time.sleep(0.5)
            try:
                ours = [s for s in client.silences() if s.covers({"job": unit}, time.time())]
                for each in ours:
                    client.expire(each.id)
                are_none = not ours
            except BasculeError:
                are_none = False
            quiet_since = (quiet_since or time.monotonic()) if are_none else None

    def _maintained(self, unit: str, rng: random.Random, hold: Callable[[str, float, float], None], first: str) -> None:
        def plan() -> Callable[[], None]:
            now = time.time()
            window = self.world.client.add_maintenance(now - 1, now + 600, "chaos", "ada", [unit])
            return lambda: void(self.world.client.end_maintenance(window.id, "ada"))

        self._suppressed(unit, rng, hold, first, plan)

    def _suppressed(
        self, unit: str, rng: random.Random, hold: Callable[[str, float, float], None], first: str,
        begin: Callable[[], Callable[[], None]],
    ) -> None:  # fmt: skip
        try:
            end = begin()
        except BasculeError:  # what would silence it is away: the fault is told as any other
            hold(first, 18, 30)
            return
        self.suppressed[unit].set(True, time.time())
        time.sleep(2)
        self._set(unit, first, True)
        time.sleep(rng.uniform(8, 16))
        if rng.random() < 0.5:
            self._set(unit, first, False)
            time.sleep(8)
        while not self.stop.is_set():
            try:
                end()
                break
            except BasculeError:
                time.sleep(1)
        self.suppressed[unit].set(False, time.time())
        if self.conditions[unit, first].is_on:
            time.sleep(rng.uniform(18, 30))
            self._set(unit, first, False)

    def _inhibited(self, unit: str, rng: random.Random) -> None:
        """The warning is heard of only once the critical one is over."""
        self._set(unit, "SlaBudgetBurn", True)
        self.world.poster.set({"alertname": "SlaBudgetBurn", "sla": "uptime", "severity": "warning"}, True)
        time.sleep(rng.uniform(15, 25))
        self._set(unit, "SlaBudgetBurn", False)
        self._set(unit, POSTED_WARNING, True)
        time.sleep(rng.uniform(15, 25))
        self._set(unit, POSTED_WARNING, False)

    # ------------------------------------------------------------ the result

    def _result(self, end: float) -> Result:
        notices = self._notices()
        words = {name: self._words(channel.told, notices) for name, channel in self.world.channels.items()}
        verdicts: dict[str, Verdict] = {}
        for unit in (*self.units, MIGRATION):
            conditions = self._conditions(unit, end)
            for name in self.world.channels if conditions else ():
                verdicts[f"{unit} {name}"] = judge(conditions, words[name][unit], end, self.taken[unit])
        raw = {
            "seed": self.seed, "kinds": self.kinds, "losses": self.world.losses, "quiet_at_the_end": self.was_quiet,
            "verdicts": {name: asdict(verdict) for name, verdict in verdicts.items()},
        }  # fmt: skip
        self._keep(words, end)
        return Result(list(self._bars(verdicts)), raw)

    def _bars(self, verdicts: dict[str, Verdict]) -> Iterator[Bar]:
        each = list(verdicts.values())
        repeats = {name: _repeats(channel.told) for name, channel in self.world.channels.items()}
        faults = sum(self.world.losses[name] for name in ("journal", "mail"))
        yield Bar("situations", self.size, "", None)
        yield Bar("beginnings owed, by unit and channel", sum(v.owed for v in each), "", 1, "at_least")
        yield Bar("beginnings unheard", sum(len(v.unheard) for v in each), "", 0)
        yield Bar("ends owed", sum(v.ends_owed for v in each), "", 1, "at_least")
        yield Bar("true ends untold", sum(len(v.untold_ends) for v in each), "", 0)
        yield Bar("ends told that were not true", sum(len(v.false_ends) for v in each), "", 0)
        yield Bar("mails sent again", repeats["mail"], f"of {faults} losses of journal or mail server", faults)
        yield Bar("webhooks posted again, with a key that tells", repeats["hook-a"] + repeats["hook-b"], "", None)
        yield Bar("losses", sum(self.world.losses.values()), "", None)

    def _conditions(self, unit: str, end: float) -> list[Condition]:
        alive = {name: switch.spans(end) for name, switch in self.world.alive.items()}
        told = without(alive["journal"], self.suppressed[unit].spans(end))
        rules = both(told, alive["prometheus"])
        seen = {"CandidateWorse": both(told, alive["judge"]), "ServiceDown": rules, "QueueLong": rules}
        posted = both(told, alive["alertmanager"])
        settled = both(posted, [(a + RESENT_SECONDS, b) for a, b in self.world.runs(end)])
        ends = dict.fromkeys(seen)
        routes = joined([*alive["journal"], *alive["alertmanager"]])
        late = without(both(alive["prometheus"], routes), self.suppressed[unit].spans(end))
        return [
            Condition(
                alert,
                switch.spans(end),
                seen.get(alert, posted),
                HOLDS[alert],
                end_seen=ends.get(alert, settled),
                stand_in=late if alert == "ServiceDown" else (),
            )
            for (whose, alert), switch in self.conditions.items()
            if whose == unit
        ]

    def _notices(self) -> list[dict[str, Any]]:
        """What the journal itself says that it wrote, and when."""
        return [each.model_dump(mode="json") for each in self.world.client.notices()]

    def _words(self, told: list[Told], notices: list[dict[str, Any]]) -> dict[str, list[Word]]:
        found: dict[str, list[Word]] = defaultdict(list)
        for each in told:
            for unit, word in _said(each, notices):
                found[unit].append(word)
        return found

    def _keep(self, words: Any, end: float) -> None:
        """Everything that was told, beside the result, to find the reason."""
        folder = Path("bench-output")
        folder.mkdir(exist_ok=True)
        told = [asdict(each) for channel in self.world.channels.values() for each in channel.told]
        held = {f"{unit} {alert}": switch.spans(end) for (unit, alert), switch in self.conditions.items()}
        alive = {name: switch.spans(end) for name, switch in self.world.alive.items()}
        quiet = {name: switch.spans(end) for name, switch in self.suppressed.items()}
        known = [each.model_dump(mode="json") for each in self.world.client.incidents()]
        record = {"told": told, "held": held, "alive": alive, "suppressed": quiet, "incidents": known}
        (folder / "chaos-notices-told.json").write_text(json.dumps(record, indent=1, default=str))


def void(_: object) -> None:
    """For calls whose answer nobody needs."""


def unit_of(text: str) -> str | None:
    """The unit that a text is about."""
    found = _UNIT.search(text)
    if found:
        return found[0]
    return MIGRATION if "CandidateWorse" in text or "SlaBudgetBurn" in text else None


def _said(told: Told, notices: list[dict[str, Any]]) -> Iterator[tuple[str, Word]]:
    if told.direct:
        for alert in told.direct:
            if unit := unit_of(str(alert["labels"])):
                yield unit, Word(told.at, alert["status"] == "resolved")
        return
    unit = unit_of(f"{told.subject} {told.text}")
    if unit is None or "ACKNOWLEDGED" in told.subject:
        return
    is_end = "RESOLVED" in told.subject
    yield unit, Word(_written(told, is_end, notices), is_end)


def _written(told: Told, is_end: bool, notices: list[dict[str, Any]]) -> float:
    """When the journal wrote it: by its key, else the latest of its situation and kind before it came."""
    by_key = [n for n in notices if told.key and told.key.endswith(n["key"])]
    number = _SITUATION.search(told.text)
    alike = [
        n for n in notices
        if number and n["situation"] == int(number[1]) and (n["kind"] == "resolved") == is_end
        and n["receiver"] == RECEIVER[told.channel] and _unix(n["at"]) <= told.at + 1
    ]  # fmt: skip
    found = by_key or alike
    return max(_unix(n["at"]) for n in found) if found else _confirmed(told)


def _confirmed(told: Told) -> float:
    """When Prometheus confirmed an end that Alertmanager claimed; else when it came."""
    clock = _CONFIRMED.search(told.text)
    if clock is None:
        return told.at
    day = told.at - told.at % 86400
    at = day + sum(int(part) * size for part, size in zip(clock.groups(), (3600, 60, 1), strict=True))
    return at if at <= told.at + 1 else at - 86400


def _unix(value: Any) -> float:
    from datetime import datetime

    return float(value) if isinstance(value, int | float) else datetime.fromisoformat(str(value)).timestamp()


def _repeats(told: list[Told]) -> int:
    """Messages that came more than once under one identity."""
    keys = Counter(_identity(each) for each in told if not each.direct)
    return sum(number - 1 for number in keys.values())


def _identity(told: Told) -> str:
    return told.key or hashlib.sha256(f"{told.subject}{told.text}".encode()).hexdigest()
