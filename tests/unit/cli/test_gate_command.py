"""`bascule gate`: what it says while it waits, and whether it is safe to go on."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule import figures
from bascule.api.models.verdict import VerdictAnswer
from bascule.api.next_step import next_step
from bascule.cli.progress import SparseLines
from bascule.spec import load

SPEC = load("supersmartmatch")
HOLD: dict[str, Any] = {
    "verdict": "hold",
    "reasons": ["Gate accuracy >95%: 95.2 %: not yet decided.", "Gate errors <1%: 3 %: failed."],
    "gates": [{"gate": "accuracy", "state": "no_data"}, {"gate": "errors", "state": "bad"}],
}


def waiting(*more: str) -> list[str]:
    """A gate that has nobody to ask."""
    return [sys.executable, "-m", "bascule", "gate", "supersmartmatch", "--prometheus", "http://127.0.0.1:9", *more]


def seen_on_a_terminal(command: list[str], columns: int, folder: Path) -> str:
    """What standard error shows on a terminal of that width."""
    ours, theirs = pty.openpty()
    around = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=around, cwd=folder)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # Linux' way to say that the other side is closed
        pass
    os.close(ours)
    assert process.wait(30) == 4
    return shown.decode()


def test_a_terminal_has_one_line_that_is_kept_up_to_date_and_gone_at_the_end(tmp_path: Path) -> None:
    shown = seen_on_a_terminal(waiting("--wait", "6s"), 60, tmp_path)
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split("[\r\n]+", shown)]
    told = [line for line in lines if "waiting until" in line]
    assert len(told) >= 2
    assert len({re.search(r"(\d+) s left", line)[1] for line in told}) >= 2  # type: ignore[index]
    assert max(map(len, told)) <= 60
    assert "\x1b[2K" in shown.rpartition("waiting until")[2]  # which erases the line


def test_a_log_has_sparse_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        waiting("--wait", "3s"), capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr.count("waiting until"), "\x1b" in done.stderr) == (4, 1, False)


def test_what_is_undecided_and_what_fails_is_said_apart(capsys: pytest.CaptureFixture[str]) -> None:
    SparseLines()(HOLD, 600.0)
    told = capsys.readouterr().err
    assert told.startswith("HOLD; waiting until ")
    assert told.endswith("undecided: accuracy; failing: errors\n")


def test_a_line_is_said_again_when_a_gate_changes_and_not_when_a_second_passes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell = SparseLines()
    for left in range(300, 290, -1):
        tell({"verdict": "hold", "reasons": [f"The plan holds 25 % for 10 min; {left} s remain."], "gates": []}, left)
    assert capsys.readouterr().err.count("\n") == 1
    tell(HOLD, 289.0)
    tell({**HOLD, "gates": [{"gate": "errors", "state": "bad"}]}, 288.0)
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize(
    ("verdict", "phase", "said", "command"),
    [
        ("promote", 2, "Every gate passes. V2 may go to 50 %", "bascule promote --spec "),
        ("hold", 2, "Stay at 25 %; it is not yet safe to go to 50 %. Of 2 gates 0 pass, 1 fail, 1 not yet known.", ""),
        ("roll_back", 2, "Send all traffic back to V1 now", "bascule rollback --spec "),
        ("roll_back", 0, "Rolled back to V1. Confirm that the traffic has moved", ""),
        ("no_data", 2, "Do not promote.", ""),
    ],
)
def test_the_next_step_says_whether_the_next_share_is_safe(verdict: str, phase: int, said: str, command: str) -> None:
    step = next_step(SPEC, VerdictAnswer.model_validate({**HOLD, "verdict": verdict}), phase)
    assert step.text.replace(figures.THIN, " ").startswith(said)
    assert step.command.startswith(command)
    assert bool(step.command) == bool(command)


def test_the_gate_says_what_to_do_next(
    bascule: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = bascule(*waiting()[3:])
    assert "Do not promote. Run `bascule status` to see which server is down" in done.stdout
