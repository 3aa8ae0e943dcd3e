"""The generated rules pass the tests generated with them at every scrape interval: by promtool, some minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
import sla_truth

from bascule.generate import generate
from bascule.spec import built_in_text, parse

pytestmark = pytest.mark.real


@pytest.mark.parametrize("seconds", [1, 5, 15, 30, 60])
def test_the_rules_pass_their_tests_at_this_interval(seconds: int, tmp_path: Path) -> None:
    """Alerts fire and keep silent as they say, on samples that are no closer than the scrapes."""
    timing = f"{{interval: {seconds}s, timeout: 500ms, evaluation: {min(seconds, 15)}s}}"
    spec = parse(f"{built_in_text()}\nstack: {{scrape: {timing}}}\n")
    for name, text in generate(spec).items():
        if name.startswith("prometheus/"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    tests = [tmp_path / "prometheus" / "tests" / f"{name}.yml" for name in ("alerts", "recording")]
    sla_truth.promtool("test", "rules", *map(str, tests))
