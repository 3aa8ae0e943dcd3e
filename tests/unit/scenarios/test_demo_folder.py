"""Where the demo writes: it removes nothing that it did not make, and two demos do not share a folder."""

from __future__ import annotations

import pytest

from bascule.errors import AlreadyRunning, UsageError
from bascule.scenarios.demo import fresh


def test_a_demo_starts_without_the_last_ones_history(tmp_path):
    with fresh(tmp_path / "out") as run:
        (run / "spec.yaml").touch()
    with fresh(tmp_path / "out") as run:
        assert not (run / "spec.yaml").exists()


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path):
    own = tmp_path / "run" / "precious.txt"
    own.parent.mkdir()
    own.touch()
    with pytest.raises(UsageError, match="was not made by a demo"), fresh(tmp_path):
        pass
    assert own.exists()


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path):
    with fresh(tmp_path) as run:
        with pytest.raises(AlreadyRunning, match="another demo"), fresh(tmp_path):
            pass
        assert run.exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used") as told, fresh(tmp_path / "file" / "out"):
        pass
    assert "--out" in told.value.mend
