"""A deployment changes the lines that V2 logs."""

from __future__ import annotations

import threading
import time

from bascule.scenarios.drills.fault import HousePart, RuleFault
from bascule.scenarios.house import House


class LogFormatChanged(RuleFault):
    """The lines come beside those that V2 writes: three in four are of the new format."""

    key = "log-format"
    title = "V2 logs lines that match no format"
    breaks = frozenset({HousePart.LOGS})
    expects = ("LogsUnparsed",)
    evidence = "max(rate(bascule_log_unparsed_total[1m]))"

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._writer: threading.Thread | None = None

    def inject(self, house: House) -> float:
        self._stop.clear()
        path = house.lab.folder / "logs" / f"{house.service('v2')}.log"
        self._writer = threading.Thread(target=self._write, args=(path,), daemon=True)
        self._writer.start()
        return time.time()

    def _write(self, path: object) -> None:
        with open(str(path), "a", encoding="utf-8") as log:
            while not self._stop.wait(0.05):
                log.write("~~ new layout ~~ answered\n" * 10)
                log.flush()

    def remove(self, house: House) -> None:
        self._stop.set()
        if self._writer is not None:
            self._writer.join()
