"""How the stack said that something was wrong: its alerts, its journal, `status`, `doctor`, readiness and its logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from bascule import stack
from bascule.errors import BasculeError
from bench.holding.standing import Standing

LINES = 5  # of each log
FIRING = 'ALERTS{alertstate="firing"}'


class Told:
    """From now on."""

    def __init__(self, house: Standing) -> None:
        self._house = house
        self._read = {path: path.stat().st_size for path in _logs(house)}

    def since(self, start: float, end: float) -> dict[str, Any]:
        """What was said between the two moments, and is said now."""
        house = self._house
        return {
            "alerts that fired": _asked(lambda: self._firing(start, end)),
            "incidents": _asked(lambda: [each.alert for each in house.journal.incidents(start)]),
            "bascule status": [row for row in stack.status(house.spec) if _is_odd(row)],
            "bascule doctor": [check.line for check in stack.doctor(house.spec) if not check.ok],
            "/readyz": dict(_unready(house)),
            "logs": self._new_lines(),
        }

    def _firing(self, start: float, end: float) -> list[str]:
        found = self._house.prometheus.raw(FIRING, end - start, end)
        return sorted({series.labels["alertname"] for series in found if series.labels.get("severity") != "none"})

    def _new_lines(self) -> dict[str, list[str]]:
        """The last of what each part has written."""
        found = {}
        for path in _logs(self._house):
            begin = self._read.get(path, 0)
            with path.open(errors="replace") as file:
                file.seek(begin if begin <= path.stat().st_size else 0)  # a long log is begun again
                if lines := file.read().splitlines()[-LINES:]:
                    found[path.stem] = lines
        return found


def in_short(told: dict[str, Any]) -> Iterator[str]:
    """A line for each way in which something was said."""
    for way, what in told.items():
        if what:
            listed = [f"{part}: {lines[-1]}" for part, lines in what.items()] if isinstance(what, dict) else what
            yield f"    {way}: {', '.join(map(str, listed))[:400]}"
    if not any(told.values()):
        yield "    nothing was said of it"


def _is_odd(row: dict[str, Any]) -> bool:
    return row["state"] != "running" or bool(row["restarts"])


def _logs(house: Standing) -> list[Path]:
    return sorted([*house.output.glob("*.log"), house.folder / "up.log"])


def _unready(house: Standing) -> Iterator[tuple[str, list[str]]]:
    for role in (*house.spec.roles, "supervisor"):
        try:
            answer = httpx.get(f"{house.spec.stack.url(role)}/readyz", timeout=5.0, trust_env=False)
        except httpx.HTTPError as error:
            yield role, [f"no answer: {error}"]
            continue
        if problems := answer.json()["problems"]:
            yield role, problems


def _asked(ask: Callable[[], list[str]]) -> list[str]:
    """A part that does not answer says something, too."""
    try:
        return ask()
    except BasculeError as error:
        return [error.what]
