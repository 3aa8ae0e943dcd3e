"""The report as JSON: every fact, no words."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from enum import Enum
from typing import Any

from bascule.sla.report import ObjectiveReport, Report


def render_json(report: Report) -> str:
    """JSON with missing numbers as null; identical data gives identical bytes."""
    body = {
        "outcome": report.outcome.value,
        "so_far": report.so_far is not None,
        "exit_code": report.exit_code,
        **asdict(report),
        "objectives": [_objective(objective) for objective in report.objectives],
    }
    return json.dumps(_plain(body), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _objective(objective: ObjectiveReport) -> dict[str, Any]:
    told = objective.headline
    return asdict(objective) | {"so_far": told.is_so_far, "coverage": told.coverage, "cause": told.cause}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
