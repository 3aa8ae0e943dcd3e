"""Either of two Prometheus with the same targets, of two consoles behind nginx and of two log workers is killed in the
middle of an alarm: what people are told of it, what readers see, and which log lines arrive.

    make chaos NAME=doubles                        each is killed 4 times, about 6 min
    BASCULE_CHAOS=20 make chaos NAME=doubles       20 times; 20:7 with the seed 7
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.harness import Result

from chaos.alarms import Alarms, asked
from chaos.doubled import Doubled


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="doubles-") as folder:
        return Alarms(Doubled(Path(folder)), *asked()).run()
