"""The load balancer is killed: nobody reaches either version."""

from __future__ import annotations

from bascule.scenarios.drills.fault import BUDGETS, Broken, HardFault, to


class NginxDown(Broken, HardFault):
    key = "nginx-down"
    title = "nginx is killed"
    service = "nginx"
    expects = ("ServiceDown",)
    also = (*BUDGETS, "SignalNoData", "RollbackTriggered", "ProbeLoss")
    evidence = "max(1 - bascule:service_up)"
    changes = to(crash=True)
