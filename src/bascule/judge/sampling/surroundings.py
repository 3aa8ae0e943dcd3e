"""What a verdict rests on besides looks: who is seen, and what is wrong with the series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bascule.judge.layout import Floats
from bascule.judge.sampling.attendance import Attendance
from bascule.judge.sampling.forgotten import DroppedHistory
from bascule.states import Missing


@dataclass(frozen=True)
class Standing:
    """The worst of a version's jobs: 1 or 0 of the best of its targets, None where none was looked at recently.

    `newest`: when any was looked at last, Unix seconds; -inf if never.
    """

    value: float | None
    job: str = ""
    newest: float = -math.inf


@dataclass(frozen=True)
class Sight:
    """What is known of a version's presence at a moment.

    `newest`: its last scrape, Unix seconds. `up`: of the worst of its jobs, `job`; None where it is not exported, or
    not recently. `probe`: of its health addresses; None where nothing depends on them.
    """

    newest: float
    up: float | None
    job: str = ""
    probe: Standing | None = None
    interval: float = 0.0  # between its last two scrapes, in seconds; 0 where it is not known


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What an engine is told besides looks. Times are Unix seconds.

    `attendance`: the scrapes of the candidate's services. `problems`: what is wrong with a signal's series. `stale`:
    after how many seconds without a sample an instance is gone. `partners`: by segment, each partner's recent
    requests by version, (2, n), where a label tells them; `users`: how many users the logs saw in the last hour,
    where they know them. `firing`: alerts against the candidate that Prometheus holds, in words.
    """

    now: float
    sights: tuple[Sight, Sight]
    attendance: Attendance = field(default_factory=Attendance)
    problems: Mapping[str, Missing] = field(default_factory=dict)
    stale: float = 5.0
    partners: Mapping[str, Floats] = field(default_factory=dict)
    users: float | None = None
    firing: Sequence[str] = ()
    stored: float | None = None  # when Prometheus last stored an `up` of anything; None where it was not asked
    unanswered: float | None = None  # requests of the last minute at the balancer, while both versions count none
    left: tuple[float, float] = (0.0, 0.0)  # clients of a silent version that left in the last minute
    forgotten: DroppedHistory | None = None  # of the history
