"""Single losses, one after the other: what each of them must not do to a notice.

make chaos NAME=rows                            all of them, about 13 min
BASCULE_CHAOS=1,4 make chaos NAME=rows          some of them
BASCULE_CHAOS_PYTHON=…/python make chaos …      the same against another build
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from bench.harness import Bar, Result

from bascule.api.tokens import token_for
from bascule.errors import BasculeError
from bascule.processes.ready import wait_until
from chaos.people import Told
from chaos.world import World

UNITS = [f"unit-{number:02}" for number in range(20)]
_MESSAGE_ID = re.compile(r"<[^<>@\s]+@[^<>@\s]+>")


@dataclass(frozen=True)
class Row:
    """Whether it holds, and what was seen."""

    ok: bool
    seen: str


def run() -> Result:
    wanted = os.environ.get("BASCULE_CHAOS", "")
    with tempfile.TemporaryDirectory(prefix="rows-") as folder:
        rows = Rows(World(Path(folder), UNITS, lambda: 3.0))
        names = wanted.split(",") if wanted else list(rows.all)
        rows.world.open()
        try:
            time.sleep(12)
            found = {name: rows.play(name) for name in names}
        finally:
            rows.world.close()
    bars = [Bar(f"row {name}: {row.seen}", float(row.ok), "holds", 1, "at_least") for name, row in found.items()]
    return Result(bars, {name: vars(row) for name, row in found.items()})


class Rows:
    def __init__(self, world: World) -> None:
        self.world = world
        self._units = iter(UNITS)
        self.all: dict[str, Callable[[str], Row]] = {
            "1": self.swallowed,
            "1m": self.over_in_maintenance,
            "2": self.judge_hangs,
            "2b": self.prometheus_stops,
            "2c": self.prometheus_starts_again,
            "2d": self.cannot_be_scraped,
            "3": self.begins_again,
            "4": self.alertmanager_hangs,
            "4b": self.journal_dies,
            "4c": self.alertmanager_hears_late,
            "5": self.mail_server_down,
            "6": self.receivers_away,
            "8": self.journal_anew,
            "9": self.mails,
            "10": self.first_lines,
            "10b": self.gate,
            "12": self.another_thing,
            "15": self.poison,
            "18": self.key,
        }

    def play(self, name: str) -> Row:
        unit = next(self._units)
        try:
            row = self.all[name](unit)
        except Exception as error:  # noqa: BLE001  # another build may lack what is asked
            row = Row(False, f"{type(error).__name__}: {str(error)[:100]}")
        print(f"  {name:>3} {'holds' if row.ok else 'FAILS'}: {row.seen}", flush=True)
        self.world.pages[unit].up = True
        return row

    # ------------------------------------------------------------ what is seen

    def told(self, channel: str, text: str, subject: str = "", since: float = 0.0) -> list[Told]:
        found = self.world.channels[channel].told
        return [
            t for t in found if t.at >= since and subject in t.subject and text in f"{t.subject} {t.text} {t.direct}"
        ]

    def within(self, seconds: float, condition: Callable[[], object]) -> float | None:
        began = time.monotonic()
        return time.monotonic() - began if wait_until(lambda: bool(condition()), seconds, pause=0.1) else None

    def down(self, unit: str) -> float | None:
        self.world.pages[unit].up = False
        return self.within(30, lambda: self.told("hook-a", unit, "CRITICAL"))

    def incident(self, unit: str) -> Any:
        return next((each for each in self.world.client.incidents() if unit in str(each.labels)), None)

    # ------------------------------------------------------------ the rows

    def swallowed(self, unit: str) -> Row:
        self.down(unit)
        self.world.client.acknowledge(self.incident(unit).id, "ada")
        for name in ("prometheus", "journal", "alertmanager"):
            self.world.kill(name)
        self.world.pages[unit].up = True
        for name in ("alertmanager", "journal", "prometheus"):
            self.world.start(name)
        ended = self.within(60, lambda: not self.incident(unit).is_open)
        since = time.time()
        self.world.pages[unit].up = False
        again = self.within(30, lambda: self.told("hook-a", unit, "CRITICAL", since))
        return Row(
            ended is not None and again is not None, f"end found after {_s(ended)}, next failure told after {_s(again)}"
        )

    def over_in_maintenance(self, unit: str) -> Row:
        """Alertmanager never tells the end: it is silenced when it comes, and killed before the maintenance is over."""
        self.down(unit)
        self.world.client.acknowledge(self.incident(unit).id, "ada")
        now = time.time()
        window = self.world.client.add_maintenance(now - 1, now + 18 * 60, "upgrade", "ada", [unit])
        time.sleep(3)
        self.world.pages[unit].up = True
        ended = self.within(60, lambda: not self.incident(unit).is_open)
        self.world.kill("alertmanager")
        self.world.start("alertmanager")
        since = time.time()
        self.world.pages[unit].up = False
        time.sleep(20)
        early = self.told("hook-a", unit, "CRITICAL", since)
        self.world.client.end_maintenance(window.id, "ada")
        again = self.within(30, lambda: self.told("hook-a", unit, "CRITICAL", since))
        ok = ended is not None and not early and again is not None
        seen = (
            f"its end inside the maintenance found after {_s(ended)}; the next failure called {len(early)} times in it"
        )
        return Row(ok, f"{seen}, and {_s(again)} after it")

    def judge_hangs(self, unit: str) -> Row:
        self.world.judge.set_alarm(True)
        self.within(20, lambda: self.told("hook-a", "CandidateWorse"))
        self.world.freeze("judge")
        false = self.within(30, lambda: self.told("hook-a", "CandidateWorse", "RESOLVED"))
        self.world.thaw("judge")
        self.world.judge.set_alarm(False)
        true = self.within(40, lambda: self.told("hook-a", "CandidateWorse", "RESOLVED"))
        return Row(
            false is None and true is not None, f"resolved while it hung: {_s(false)}; after its true end: {_s(true)}"
        )

    def prometheus_stops(self, unit: str) -> Row:
        self.down(unit)
        self.world.kill("prometheus")
        false = self.within(45, lambda: self.told("hook-a", unit, "RESOLVED"))
        self.world.start("prometheus")
        return Row(false is None, f"resolved while Prometheus was stopped: {_s(false)}")

    def prometheus_starts_again(self, unit: str) -> Row:
        """Alertmanager is away meanwhile and gets the alert with another start alone."""
        self.down(unit)
        self.world.kill("alertmanager")
        self.world.kill("prometheus")
        self.world.start("prometheus")
        time.sleep(15)
        self.world.start("alertmanager")
        false = self.within(30, lambda: self.told("hook-a", unit, "RESOLVED"))
        self.world.pages[unit].up = True
        true = self.within(40, lambda: self.told("hook-a", unit, "RESOLVED"))
        return Row(
            false is None and true is not None,
            f"resolved while it was down: {_s(false)}; after its true end: {_s(true)}",
        )

    def cannot_be_scraped(self, unit: str) -> Row:
        self.world.pages[unit].text = "queue_waiting 1\n"
        self.within(30, lambda: self.told("hook-a", unit, "WARNING"))
        self.world.pages[unit].up = False
        false = self.within(30, lambda: self.told("hook-a", unit, "RESOLVED"))
        self.world.pages[unit].text = "queue_waiting 0\n"
        self.world.pages[unit].up = True
        true = self.within(40, lambda: self.told("hook-a", unit, "RESOLVED"))
        return Row(
            false is None and true is not None,
            f"resolved while its target was down: {_s(false)}; after its true end: {_s(true)}",
        )

    def begins_again(self, unit: str) -> Row:
        labels = {"alertname": "Theirs", "severity": "critical", "job": unit}
        self.world.poster.set(labels, True)
        self.within(20, lambda: self.told("hook-a", unit, "CRITICAL"))
        self.world.poster.set(labels, False)
        self.within(120, lambda: self.told("hook-a", unit, "RESOLVED"))
        since = time.time()
        self.world.poster.again(labels)
        told = self.within(60, lambda: self.told("hook-a", unit, "CRITICAL", since))
        self.world.poster.set(labels, False)
        return Row(told is not None, f"a beginning after the end, with the old start: told after {_s(told)}")

    def alertmanager_hangs(self, unit: str) -> Row:
        self.world.freeze("alertmanager")
        told = self.down(unit)
        self.world.thaw("alertmanager")
        return Row(told is not None and told <= 12, f"a crash while Alertmanager is stopped: told after {_s(told)}")

    def alertmanager_hears_late(self, unit: str) -> Row:
        """What it says of the beginning is later by the `for` than what Prometheus says."""
        self.world.freeze("alertmanager")
        self.world.pages[unit].text = "queue_stuck 1\n"
        told = self.within(40, lambda: self.told("hook-a", unit, "CRITICAL"))
        self.world.thaw("alertmanager")
        again = self.within(20, lambda: len(self.told("hook-a", unit)) > 1)
        self.world.pages[unit].text = ""
        return Row(told is not None and again is None, f"told after {_s(told)}; told more of it after {_s(again)}")

    def journal_dies(self, unit: str) -> Row:
        self.world.kill("journal")
        self.world.pages[unit].up = False
        told = self.within(75, lambda: self.told("hook-a", unit))
        self.world.judge.set_alarm(True)
        worse = self.within(75, lambda: self.told("hook-a", "CandidateWorse", since=time.time() - 75))
        self.world.judge.set_alarm(False)
        self.world.start("journal")
        ok = told is not None and told <= 60 and worse is not None and worse <= 60
        return Row(ok, f"while the journal is dead: a crash after {_s(told)}, CandidateWorse after {_s(worse)}")

    def mail_server_down(self, unit: str) -> Row:
        self.world.channels["mail"].set_mode("refused")
        told = self.down(unit)
        time.sleep(10)
        copies = len(self.told("hook-a", unit, "CRITICAL"))
        self.world.channels["mail"].set_mode("")
        mailed = self.within(90, lambda: self.told("mail", unit, "CRITICAL"))
        ok = told is not None and copies == 1 and mailed is not None
        return Row(ok, f"webhook after {_s(told)}, {copies} copy; mail once it is back: {_s(mailed)}")

    def receivers_away(self, unit: str) -> Row:
        for channel in self.world.channels.values():
            channel.set_mode("refused")
        self.world.pages[unit].up = False
        time.sleep(30)
        for channel in self.world.channels.values():
            channel.set_mode("")
        told = self.within(90, lambda: self.told("hook-a", unit, "CRITICAL") and self.told("mail", unit, "CRITICAL"))
        return Row(told is not None, f"receivers back after 30 s: told after {_s(told)}")

    def journal_anew(self, unit: str) -> Row:
        self.world.kill("journal")
        for file in self.world.layout.state.glob("incidents.sqlite*"):
            file.rename(file.with_name(f"old-{file.name}"))
        self.world.start("journal")
        since = time.time()
        self.world.pages[unit].up = False
        told = self.within(30, lambda: self.told("hook-a", unit, "CRITICAL", since))
        return Row(told is not None, f"the journal's file moved away: a new fault told after {_s(told)}")

    def mails(self, unit: str) -> Row:
        self.down(unit)
        self.world.pages[unit].up = True
        self.within(40, lambda: self.told("mail", unit, "RESOLVED"))
        keys = [each.key for each in self.told("mail", unit)]
        valid = all(_MESSAGE_ID.fullmatch(key) for key in keys)
        ok = len(keys) > 1 and valid and len(set(keys)) == len(keys)
        return Row(ok, f"{len(keys)} mails of a situation, {len(set(keys))} Message-IDs, such as {keys[-1:]}")

    def first_lines(self, unit: str) -> Row:
        since = time.time()
        labels = {"alertname": "NotificationsFailing", "severity": "critical", "job": "alertmanager"}
        self.world.poster.set(labels, True)
        time.sleep(8)
        self._go_forward()
        self.world.judge.set_alarm(True)
        self.within(30, lambda: self.told("hook-a", "CandidateWorse", since=since))
        self.world.poster.set(labels, False)
        self.world.judge.set_alarm(False)
        told = next(iter(self.told("hook-a", "CandidateWorse", since=since)), None)
        lines = told.text.splitlines()[:4] if told is not None else []
        head = " | ".join(lines)
        needed = ("verdict: roll back", str(self.world.spec_path))
        ok = told is not None and "CandidateWorse" in told.subject and all(text in head for text in needed)
        return Row(ok, f"{told.subject if told else 'nothing'}: {head[:240]}")

    def _go_forward(self) -> None:
        try:
            self.world.client.set_phase(1, "ada", "go", force=True)
        except BasculeError:  # a build that knows no force
            self.world.client.set_phase(1, "ada", "go")

    def gate(self, unit: str) -> Row:
        labels = {"alertname": "GateUnmet", "severity": "gate", "job": unit}
        self.world.poster.set(labels, True)
        told = self.within(20, lambda: self.told("hook-a", unit))
        self.world.poster.set(labels, False)
        return Row(told is None, f"severity gate: told after {_s(told)}")

    def another_thing(self, unit: str) -> Row:
        full = {"alertname": "DiskFull", "node": "a", "severity": "critical"}
        other = {"alertname": "DiskFull", "node": "b", "severity": "warning", "about": unit}
        self.world.poster.set(full, True)
        time.sleep(6)
        self.world.poster.set(other, True)
        known = self.within(30, lambda: self.incident(unit))
        for labels in (full, other):
            self.world.poster.set(labels, False)
        return Row(known is not None, f"another node's warning beside a critical one: in the journal after {_s(known)}")

    def poison(self, unit: str) -> Row:
        url, token = self.world.spec.stack.url("incidents"), token_for(self.world.layout.state)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        client = httpx.Client(base_url=url, headers=headers, trust_env=False)
        at = [f'{{"text": "x", "who": "a", "at": {value}}}' for value in ("1.7e15", "Infinity", "NaN")]
        window = '{"starts": 1, "ends": ENDS, "reason": "x", "who": "a", "silent": false}'
        windows = [window.replace("ENDS", value) for value in ("Infinity", "9e9")]
        posts = [("/api/annotations", body) for body in at] + [("/api/maintenance", body) for body in windows]
        got = [client.post(path, content=body).status_code for path, body in posts]
        read = [client.get(path).status_code for path in ("/api/timeline", "/api/maintenance")]
        ok = all(400 <= status < 500 for status in got) and read == [200, 200]
        return Row(ok, f"answers {got}; timeline and maintenance {read}")

    def key(self, unit: str) -> Row:
        self.down(unit)
        told = self.told("hook-a", unit, "CRITICAL")
        header = told[0].header if told else ""
        return Row(bool(header), f"Idempotency-Key: {header or 'none'}")


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"
