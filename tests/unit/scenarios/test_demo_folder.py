"""Where the demo writes: it removes nothing that it did not make, and two demos do not share a folder."""

from __future__ import annotations

import subprocess

import pytest

from bascule.errors import AlreadyRunning, UsageError
from bascule.scenarios.demo import for_commands, fresh


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
    assert "--out" in told.value.fix


def test_the_line_of_a_demo_that_is_kept_gives_its_spec_to_a_shell(tmp_path):
    """Whatever characters the folder's name has."""
    spec = tmp_path / "of the team's demo" / "spec.yaml"
    line = for_commands(spec).splitlines()[-1]
    shown = subprocess.run(["sh", "-c", f"{line}\necho $BASCULE_SPEC"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"{spec}\n"
