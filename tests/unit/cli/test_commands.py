"""Every command is documented; a user's mistake is told in plain words, with the exit code the table promises."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from bascule.cli.commands import app
from bascule.cli.options import parse_span, parse_time
from bascule.errors import UsageError

COMMANDS = Path("docs/commands.md").read_text()


def names(command, prefix=""):
    """`check`, `sla report`, …"""
    group = getattr(command, "commands", None)
    if group is None:
        return [prefix.strip()]
    return [name for key, child in group.items() for name in names(child, f"{prefix} {key}")]


@pytest.mark.parametrize("name", names(typer.main.get_command(app)))
def test_a_command_is_documented(name):
    documented = {re.sub(r"[A-Z\[|].*", "", text).strip() for text in re.findall(r"`bascule ([^`]+)`", COMMANDS)}
    assert name in documented | {text.split(" --")[0] for text in documented}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["check", "absent.yaml"], 2, "cannot be read"),
        (["serve", "supersmartmatch", "--role", "cook"], 2, "roles are judge"),
        (["sla", "report", "supersmartmatch", "--from", "now", "--to", "now-1h"], 2, "not after"),
        (["sla", "report", "supersmartmatch", "--prometheus", "http://127.0.0.1:9"], 4, "does not answer"),
        (["gate", "supersmartmatch", "--prometheus", "http://127.0.0.1:9"], 4, ""),
        (["phase", "set", "9", "--who", "a", "--why", "b", "--spec", "supersmartmatch"], 2, "phases are 0 to 5"),
        (["judge", "forget", "--before=now+1h", "--who=a", "--why=b", "--spec", "supersmartmatch"], 2, "in the future"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_a_mistake_is_told_in_plain_words(bascule, arguments, code, said):
    done = bascule(*arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_spec_names_file_line_and_key(bascule, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("apiVersion: bascule/v1\nkind: Migration\nmetdata: {name: x}\n")
    done = bascule("check", wrong)
    assert done.returncode == 2
    assert f"{wrong}:3: metdata: unknown key (did you mean 'metadata'?)" in done.stderr


def test_generate_tells_drift_with_its_exit_code(bascule, tmp_path):
    assert bascule("generate", "supersmartmatch", "--out", tmp_path).returncode == 0
    assert bascule("generate", "supersmartmatch", "--out", tmp_path, "--check").returncode == 0
    (tmp_path / "instrument.json").write_text("{}")
    drift = bascule("generate", "supersmartmatch", "--out", tmp_path, "--check")
    assert (drift.returncode, "instrument.json" in drift.stdout) == (1, True)


def test_times_are_utc_unless_they_say_otherwise():
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert parse_time("now-1d", now) == now.timestamp() - 86_400
    assert parse_time("now+30m", now) == now.timestamp() + 1800
    assert parse_time("2026-01-31T00:00:00", now) == parse_time("2026-01-31T01:00:00+01:00", now) == now.timestamp()
    with pytest.raises(UsageError, match="2026-01-31"):
        parse_time("yesterday", now)


def test_a_span_ends_after_it_starts():
    with pytest.raises(UsageError, match="not after"):
        parse_span("now", "now")


def test_shells_complete_the_command():
    """Started by a shell, which Typer looks for among those that started it."""
    command = ["bash", "-c", f"{sys.executable} -m bascule --show-completion; true"]
    assert "bascule" in subprocess.run(command, capture_output=True, text=True, check=False).stdout
