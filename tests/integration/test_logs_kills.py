"""Nothing lost, nothing doubled: the pipeline killed at random moments of ingest, rotation and compaction.

`make bench NAME=logs_kills` does the same two hundred times.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.logs_kills import kill_and_recover

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", [1, 2])
def test_files_end_with_the_exact_rows_and_counters_after_kills(tmp_path: Path, seed: int):
    """Six kills each, while files are renamed, copied and truncated, and segments merged."""
    outcome = kill_and_recover(tmp_path, kills=6, seed=seed)
    assert outcome.kills == 6
    assert outcome.missing == 0
    assert outcome.doubled == 0
    assert outcome.counted == outcome.written
