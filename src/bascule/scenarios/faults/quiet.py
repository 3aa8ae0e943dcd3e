"""What happens to every service and is no fault of V2's: none of it may alarm, or blame V2."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx

from bascule.lab import Traffic
from bascule.scenarios.drills.fault import BUDGETS, ERRORS_HARM, QuietFault
from bascule.scenarios.house import House

_BLAMES_V2 = ("CandidateWorse", "V2ErrorSpike")


class Surge(QuietFault):
    """Three times the traffic for a while; its end is a drop to a third."""

    key = "surge-and-drop"
    title = "traffic rises to three times, and falls to a third of that"

    def __init__(self) -> None:
        self._more: Traffic | None = None

    def inject(self, house: House) -> float:
        self._more = Traffic(house.spec, rate=2 * house.traffic.plan.rate, seed=99)
        self._more.start()
        began = time.time()
        house.wait(self.lasts)
        self.remove(house)
        return began

    def remove(self, house: House) -> None:
        if self._more is not None:
            self._more.stop()


class BothVersions(QuietFault):
    """An incident of both alike: budgets burn and triggers are met, but nobody may say that V2 is worse."""

    key = "both-versions"
    title = "both versions fail 12 % of their requests"
    also = tuple(alert for alert in ERRORS_HARM if alert not in _BLAMES_V2)
    tells = also
    stays = True  # partners' objectives over an hour are missed, and told once its rules have seen it

    def inject(self, house: House) -> float:
        house.lab.fault("v1", error_rate=0.12)
        return house.lab.fault("v2", error_rate=0.12)

    def remove(self, house: House) -> None:
        house.lab.repair("v1")
        house.lab.repair("v2")


class BadClient(QuietFault):
    """One client of V2 sends requests that no version can read, in three bursts: each is answered with 500."""

    key = "bad-client"
    title = "one client's errors come in bursts"
    bursts, each = 3, 4

    def inject(self, house: House) -> float:
        began = time.time()
        with httpx.Client(base_url=house.front, headers={"X-User-Segment": "freemium"}, trust_env=False) as client:
            user = next(user for user in range(100) if _ask_badly(client, user) == "v2")
            for _ in range(self.bursts):
                for _ in range(self.each):
                    _ask_badly(client, user)
                house.wait(self.lasts / self.bursts)
        return began

    def remove(self, house: House) -> None:
        """Its requests are over."""


class PlannedMaintenance(QuietFault):
    """V2 is taken down within a window that the journal knows of."""

    key = "planned-maintenance"
    title = "V2 is taken down in a planned maintenance"
    lasts = 90.0  # longer than a trigger holds
    also = (*BUDGETS, "ServiceDown", "VersionSilent")  # kept in the journal, told to nobody

    def __init__(self) -> None:
        self._window: int | None = None

    def inject(self, house: House) -> float:
        now = time.time()
        window = house.journal.add_maintenance(now, now + 300, "a drill", "drill", [house.service("v2")])
        self._window = window.id
        return house.lab.fault("v2", crash=True)

    def remove(self, house: House) -> None:
        house.lab.repair("v2")
        if self._window is None:
            return
        try:
            house.wait_for("V2 to be seen up", lambda: house.is_up("v2"), 30)
        finally:
            house.journal.end_maintenance(self._window, "drill")
            self._window = None


class WorkerRestart(QuietFault):
    """One of V2's two worker processes is killed; its master starts another."""

    key = "worker-restart"
    title = "one of V2's two workers is killed"

    def inject(self, house: House) -> float:
        os.kill(_children(house.lab.pid("v2"))[0], signal.SIGKILL)
        return time.time()

    def remove(self, house: House) -> None:
        """Its master has started another."""


def _ask_badly(client: httpx.Client, user: int) -> str:
    """A request without what every request has; the version that met it."""
    answer = client.post("/api/match", json={"no": "number"}, headers={"X-User-Id": f"bad-{user}"})
    return str(answer.headers.get("X-Served-By", ""))


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
