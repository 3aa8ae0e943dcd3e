"""The source document's own reporter, made to run: its client is a stand-in for the library it imports."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx

SOURCE = Path(__file__).parents[1] / "fixtures" / "sla_reporter_literal.py"
WRITTEN_JOB = 'up{job="supersmartmatch"}'
MENDED_JOB = 'up{job=~"supersmartmatch.*"}'  # the selector of the source document's own alert


class PrometheusConnect:
    """`custom_query` as the library has it: an instant query, now."""

    def __init__(self, url: str) -> None:
        self.url = url

    def custom_query(self, query: str) -> list[Any]:
        answer = httpx.post(f"{self.url}/api/v1/query", data={"query": query}, trust_env=False).json()
        return answer["data"]["result"]


def reporter(url: str, mended: bool = False) -> Any:
    """The literal reporter; `mended` lets its first query find its services, to see what the others do."""
    text = SOURCE.read_text()
    if mended:
        assert WRITTEN_JOB in text
        text = text.replace(WRITTEN_JOB, MENDED_JOB)
    library = ModuleType("prometheus_api_client")
    library.PrometheusConnect = PrometheusConnect  # type: ignore[attr-defined]
    sys.modules["prometheus_api_client"] = library
    names: dict[str, Any] = {}
    exec(compile(text, str(SOURCE), "exec"), names)
    return names["SLAReporter"](url)
