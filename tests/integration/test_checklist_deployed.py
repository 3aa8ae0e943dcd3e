"""What a real Prometheus runs beside what is generated: the same is no difference, another spec's is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bascule import generate
from bascule.checklist.deployed import rule_differences, target_differences
from bascule.prometheus import Prometheus
from bascule.spec import Spec, built_in_text, load, parse

pytestmark = pytest.mark.integration

SPEC = load("supersmartmatch")


@pytest.fixture
def running(
    tmp_path: Path, start_prometheus: Callable[..., Any], eventually: Callable[..., object]
) -> Callable[[Spec], Prometheus]:
    """A Prometheus with all that is generated from a spec."""

    def start(spec: Spec) -> Prometheus:
        generate.write(spec, tmp_path)
        config = yaml.safe_load((tmp_path / "prometheus" / "prometheus.yml").read_text())
        config["rule_files"] = [str(tmp_path / "prometheus" / "rules" / "*.yml")]
        client: Prometheus = start_prometheus(config=yaml.safe_dump(config)).client
        eventually(lambda: not target_differences(spec, client.targets()), 30)  # they are found after it is ready
        return client

    return start


def test_what_is_generated_and_loaded_does_not_differ(running: Callable[[Spec], Prometheus]) -> None:
    prometheus = running(SPEC)
    assert rule_differences(SPEC, prometheus.rules()) == []
    assert target_differences(SPEC, prometheus.targets()) == []


def test_the_rules_and_targets_of_an_older_spec_are_named(running: Callable[[Spec], Prometheus]) -> None:
    older = built_in_text().replace("errors > 5%", "errors > 4%").replace("127.0.0.1:6379", "127.0.0.1:6380")
    prometheus = running(parse(older))
    differences = rule_differences(SPEC, prometheus.rules())
    assert {each.text.partition(" differs")[0] for each in differences} == {"RollbackTriggered"}
    assert "redis does not scrape 127.0.0.1:6379" in target_differences(SPEC, prometheus.targets())
