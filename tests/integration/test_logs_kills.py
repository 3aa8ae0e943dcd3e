"""Nothing lost, nothing doubled: the pipeline killed at random moments of ingest, rotation and compaction.

`make bench NAME=logs_kills` does the same two hundred times.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.logs_kills import kill_and_recover, kill_beats

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", [1])
def test_files_end_with_the_exact_rows_and_counters_after_kills(tmp_path: Path, seed: int):
    """Six kills, while files are renamed, copied and truncated, and segments merged."""
    outcome = kill_and_recover(tmp_path, kills=6, seed=seed)
    assert outcome.kills == 6
    assert outcome.missing == 0
    assert outcome.doubled == 0
    assert outcome.counted == outcome.written


def test_beats_and_the_search_engine_end_with_the_exact_rows_after_kills(tmp_path: Path):
    """The client says where its lines stand; the engine is sent what the store holds."""
    outcome = kill_beats(tmp_path, kills=3, seed=1)
    assert (outcome.missing, outcome.doubled) == (0, 0)
    assert outcome.counted == outcome.documents == outcome.written > 0
