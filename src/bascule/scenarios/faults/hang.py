"""V2 is stopped: connections are taken, nothing is answered."""

from __future__ import annotations

from bascule.scenarios.drills.fault import BUDGETS, SERVICE_DOWN, Broken, HardFault, to


class Hang(Broken, HardFault):
    key = "hang"
    title = "V2 hangs (SIGSTOP)"
    expects = ("ServiceDown", "VersionSilent")
    also = (*BUDGETS, "RollbackTriggered", "CandidateWorse", "SignalNoData")
    evidence = SERVICE_DOWN
    changes = to(hang=True)
