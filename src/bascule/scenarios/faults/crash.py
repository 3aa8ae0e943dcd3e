"""V2 is killed."""

from __future__ import annotations

from bascule.scenarios.drills.fault import BUDGETS, SERVICE_DOWN, Broken, HardFault, to


class Crash(Broken, HardFault):
    key = "crash"
    title = "V2 is killed"
    expects = ("ServiceDown",)
    also = (*BUDGETS, "RollbackTriggered", "CandidateWorse", "VersionSilent", "SignalNoData")
    evidence = SERVICE_DOWN
    changes = to(crash=True)
