"""Either of two judges and of two Alertmanagers is killed in the middle of an alarm: what people are told of it.

make chaos NAME=roles                        each is killed 4 times, about 6 min
BASCULE_CHAOS=20 make chaos NAME=roles       20 times; 20:7 with the seed 7
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.harness import Result

from chaos.alarms import Alarms, asked
from chaos.pair import Pair


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="roles-") as folder:
        return Alarms(Pair(Path(folder)), *asked()).run()
