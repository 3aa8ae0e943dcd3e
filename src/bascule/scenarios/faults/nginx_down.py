"""The load balancer is killed: nobody reaches either version."""

from __future__ import annotations

from bascule.scenarios.drills.fault import BUDGETS, SERVICE_DOWN, Broken, HardFault, to


class NginxDown(Broken, HardFault):
    key = "nginx-down"
    title = "nginx is killed"
    service = "nginx"
    expects = ("ServiceDown",)
    also = (*BUDGETS, "SignalNoData", "RollbackTriggered", "ProbeLoss")
    evidence = SERVICE_DOWN
    changes = to(crash=True)
