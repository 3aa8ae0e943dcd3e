"""Everything that meets Prometheus and Alertmanager, on others than Debian's. They are given, never built here:

make real NAME=prometheus3 PROMETHEUS=/path/to/prometheus ALERTMANAGER=/path/to/alertmanager

promtool is looked for beside the one, amtool beside the other; what is not there is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GIVEN = {"prometheus": "PROMETHEUS", "promtool": "PROMETHEUS", "alertmanager": "ALERTMANAGER", "amtool": "ALERTMANAGER"}
INTEGRATION = Path(__file__).parent.parent / "integration"
MEETING = (
    "generate_promtool",
    "selectors_promtool",
    "check_prometheus",
    "verify_real",
    "sla_truth",
    "sla_literal",
    "sla_live",
    "slo_one_figure",
    "judge",
    "judge_alert",
    "judge_push",
    "engine_doctor",
    "matrix_ten",
    "mix_adjusted",
    "discover_real",
    "managed_servers",
    "incidents_role",
    "incidents_reconciled",
    "shared_alertmanager",
    "stack",
    "whole_house",
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not os.environ.get("PROMETHEUS"), reason="no other Prometheus was given: PROMETHEUS=…"),
]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was given, which is looked into first."""
    folder = tmp_path_factory.mktemp("given")
    for name, variable in GIVEN.items():
        beside = Path(os.environ.get(variable) or folder).parent / name
        if beside.is_file():
            (folder / name).symlink_to(beside.resolve())
    return folder


@pytest.mark.parametrize("name", MEETING)
def test_what_meets_prometheus_says_the_same_on_the_one_that_was_given(name: str, given: Path) -> None:
    environment = {**os.environ, "BASCULE_PROGRAMS": str(given)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-n",
        "0",
        "-m",
        "",
        INTEGRATION / f"test_{name}.py",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
