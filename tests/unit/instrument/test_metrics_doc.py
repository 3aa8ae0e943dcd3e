"""docs/metrics.md is the canonical table."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parents[3] / "tools" / "write_metrics_doc.py"


def test_the_metrics_page_is_what_the_table_says() -> None:
    spec = importlib.util.spec_from_file_location("write_metrics_doc", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text("utf-8") == tool.page(), "write it anew with `python tools/write_metrics_doc.py`"
