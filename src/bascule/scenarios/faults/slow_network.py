"""The network between nginx and V2 is slow and loses packets; V2 itself is as quick as ever."""

from __future__ import annotations

from contextlib import ExitStack

from bascule.lab import Network, relayed
from bascule.scenarios.drills.fault import BUDGETS, HousePart, TimedFault
from bascule.scenarios.house import House

NETWORK = Network(delay=0.04, loss=0.05)
SEEN = 'bascule_log_response_time_seconds_%s{version="v2"}'


class SlowNetwork(TimedFault):
    """V2's own metrics have none of it: the logs of both tell it apart."""

    key = "slow-network"
    title = "between nginx and V2: 40 ms each way, 5 % of the packets are sent again"
    bound = 60.0 + 15.0 + 60.0  # the rule holds for a minute, over a window of two that has to fill
    breaks = frozenset({HousePart.LOGS, HousePart.VERSION})
    expects = ("PathToVersionSlow",)
    also = (*BUDGETS, "ResponseTimeHigh", "CandidateWorse", "RollbackTriggered")
    signal = f"max(sum by (source) (rate({SEEN % 'sum'}[5s])) / sum by (source) (rate({SEEN % 'count'}[5s])))"
    evidence = signal

    def __init__(self) -> None:
        self._relay = ExitStack()

    def inject(self, house: House) -> float:
        return house.lab.reroute({"v2": self._relay.enter_context(relayed(house.address("v2"), NETWORK))})

    def remove(self, house: House) -> None:
        house.lab.reroute({})
        self._relay.close()
