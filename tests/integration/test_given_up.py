"""A role that hung does not do afterwards what its sender has given up: a move of the plan, hours late, would hurt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bascule.api import IncidentsClient
from bascule.errors import BasculeError
from bascule.spec import built_in_text, load

pytestmark = pytest.mark.integration


@pytest.fixture
def journal(tmp_path: Path, free_port, eventually):
    """The process of a journal, and who may act there."""
    path = tmp_path / "spec.yaml"
    path.write_text(f"{built_in_text()}\nstack: {{state: {tmp_path}/state, ports: {{incidents: {free_port()}}}}}\n")
    argv = [sys.executable, "-m", "bascule", "serve", str(path), "--role", "incidents"]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(argv, stdout=said, stderr=said, cwd=tmp_path)
    client = IncidentsClient(load(path), seconds=1.0)

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "said").read_text()
        try:
            return bool(client.phase())
        except BasculeError:
            return False

    eventually(answers, 30)
    yield process, client
    process.send_signal(signal.SIGCONT)
    process.terminate()
    process.wait(30)


def test_what_was_given_up_while_the_journal_hung_is_not_done(journal, eventually):
    process, client = journal
    now = time.time()
    os.kill(process.pid, signal.SIGSTOP)
    for act in (
        lambda: client.add_maintenance(now, now + 600, "work", "ada", ["nginx"]),
        lambda: client.annotate("something happened", "ada"),
    ):
        with pytest.raises(BasculeError):
            act()
    os.kill(process.pid, signal.SIGCONT)
    eventually(lambda: client.annotate("after it", "ada"), 10)
    assert client.maintenance() == []
    assert [entry.text for entry in client.timeline() if entry.who == "ada"] == ["after it"]
