"""Every command that answers something answers it in JSON, too; the tree of commands says which there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bascule.cli.commands import app
from bascule.spec import starter_text

# What they print is no answer: a file in a form of its own, or what they do until they are stopped.
OTHERWISE = {
    "schema": "is JSON",
    "init": "writes a spec",
    "merge": "writes configuration",
    "up": "runs until it is stopped",
    "serve": "runs until it is stopped",
    "demo": "tells a story",
    "down": "says one word",
    "incidents export": "writes Markdown",
    "judge forget": "says one sentence",
    "users set": "asks for a password",
    "users remove": "says one word",
}


def walked(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from walked(below, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(walked(get_command(app)))


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - set(OTHERWISE)))
def test_what_is_answered_is_answered_in_json_too(name: str) -> None:
    assert "--json" in {option for each in COMMANDS[name].params for option in each.opts}


def test_no_exception_is_of_a_command_that_is_gone() -> None:
    assert set(OTHERWISE) <= set(COMMANDS)


def asked(*arguments: str) -> tuple[int, Any]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    return result.exit_code, json.loads(result.output)


def test_the_problems_of_a_spec_have_their_lines_and_fixes_in_json(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("apiVersion: bascule/v1\nkind: Migration\nphases: []\n")
    code, told = asked("check", str(path))
    assert (code, told["ok"]) == (2, False)
    assert {"line", "key", "what", "fix"} <= set(told["problems"][0])


@pytest.mark.parametrize("value", ["1" + "0" * 310, "0x" + "f" * 5000, "!!bool maybe", "!!int _"], ids=len)
def test_a_number_or_a_tag_that_nothing_holds_is_a_problem_in_json_too(tmp_path: Path, value: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"{starter_text()}\njudge: {{tick: {value}}}\n")
    code, told = asked("check", str(path))
    assert code == 2
    assert [problem["line"] for problem in told["problems"]] == [len(path.read_text().splitlines())]
    assert all(problem["fix"] for problem in told["problems"])


def test_a_valid_spec_names_its_signals_in_json() -> None:
    code, told = asked("check", "supersmartmatch")
    assert (code, told["ok"], told["problems"]) == (0, True, [])
    assert {"signal": "errors", "role": "errors", "how": "inferred"}.items() <= told["signals"][0].items()


def test_drift_is_told_in_json(tmp_path: Path) -> None:
    code, told = asked("generate", "supersmartmatch", "--out", str(tmp_path / "out"), "--check")
    assert code == 1
    assert "prometheus/prometheus.yml: missing" in told
