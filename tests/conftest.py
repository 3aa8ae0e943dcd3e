"""Fixtures for every test.

eventually(condition, seconds=10)   asks until `condition()` is truthy and returns its value; fails the test otherwise.
                                    An AssertionError in the condition counts as "not yet" and is shown at the end.
free_port()                         a port of 127.0.0.1 that is free now; never the same twice.
machine                             a machine with no program but those that the test adds: machine.add("promtool").
bascule("check", path)              a command as its user types it, in this process: .returncode .stdout .stderr

Those that start real programs are in tests/integration/conftest.py.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from bascule import cli
from bascule.processes import ports, programs

# A busy machine is slow, not wrong: no deadline per example. `print_blob` lets a failure be repeated elsewhere.
settings.register_profile("bascule", deadline=None, print_blob=True)
settings.load_profile("bascule")

T = TypeVar("T")
LONGEST = "test_whole_house.py"
LONGEST_PAUSE = 0.25  # seconds between two questions whether something is true

# What a user or a machine may have set, and what would change what is printed, read or asked: no test depends on it.
OF_THE_MACHINE = re.compile(
    r"BASCULE_(?!PROGRAMS)\w+|\w+_PROXY|COLUMNS|LINES|NO_COLOR|(FORCE|CLI|PY)_?COLORS?\w*|LANG|LANGUAGE|LC_\w+|TZ"
    r"|(OTEL|PROMETHEUS|FLASK|DJANGO|WERKZEUG|UVICORN|GUNICORN|REDIS)_\w+",
    re.IGNORECASE,
)
for variable in filter(OF_THE_MACHINE.fullmatch, list(os.environ)):
    del os.environ[variable]
time.tzset()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest is begun first: where files run side by side, nobody waits for it at the end."""
    items.sort(key=lambda item: item.path.name != LONGEST)


def _eventually(condition: Callable[[], T], seconds: float = 10.0, pause: float = 0.05) -> T:
    """What takes long is asked for less often: asking takes the processor from what is waited for."""
    begun = time.monotonic()
    while True:
        reason = "it never became true"
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            reason = str(error)
        waited = time.monotonic() - begun
        if waited > seconds:
            pytest.fail(f"waited {seconds:g} s: {reason}")
        time.sleep(max(pause, min(LONGEST_PAUSE, waited / 20)))


@pytest.fixture(scope="session")
def eventually() -> Callable[..., T]:
    return _eventually


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return ports.free


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def bascule(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A process of its own says the same, and loads everything anew."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["bascule", *map(str, arguments)])
        before = signal.getsignal(signal.SIGINT)
        capfd.readouterr()
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGINT, before)
        return Done(code, *capfd.readouterr())

    return call


@dataclass(frozen=True)
class Machine:
    """Its programs are in `binaries`, the only folder on PATH; `home` is also the current folder."""

    home: Path
    binaries: Path

    def add(self, *names: str, script: str = "") -> None:
        """Give it programs: shell scripts that do what `script` says."""
        self.binaries.mkdir(exist_ok=True)
        for name in names:
            program = self.binaries / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Whatever is installed where the tests run, system-wide or by `make setup`, is not on it."""
    made = Machine(tmp_path, tmp_path / "bin")
    monkeypatch.setattr(programs, "SYSTEM_FOLDERS", ())
    monkeypatch.setattr(programs, "CLONE", tmp_path / "clone")
    monkeypatch.setenv("PATH", str(made.binaries))
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.delenv("BASCULE_PROGRAMS", raising=False)
    monkeypatch.chdir(made.home)
    return made
