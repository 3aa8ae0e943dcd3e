"""What drills found, from the folder they write to; where the spec is the lab's, one is started from here."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bascule import private
from bascule.errors import ProcessFailed, UsageError
from bascule.processes.command import run
from bascule.spec import BUILT_IN, Spec, load

log = logging.getLogger(__name__)

RESULTS = "drills.json"
LISTING_SECONDS = 120.0
FOLDER = Path("drill-output")  # of the folder in which the stack was started
FROM_PAGE = "from-the-page"  # the folder in it of what was started from the page
OUTPUT = "output.txt"
COMMAND = (sys.executable, "-m", "bascule", "drill")
LAST_LINES = 12
PICTURES = frozenset({".svg"})


class DrillRun(BaseModel):
    """Seconds after the fault."""

    model_config = ConfigDict(extra="allow")

    evidence: float | None = None
    alert: float | None = None
    delivered: float | None = None
    ended: float | None = None


class DrillResult(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    fault: str
    title: str = ""
    bound_seconds: float | None = None
    median_seconds: float | None = None
    slowest_seconds: float | None = None
    failures: list[str] = []
    runs: list[DrillRun] = []


class DrillFile(BaseModel):
    """As `bascule drill` writes it."""

    at: str = ""
    machine: Any = None
    commit: str = ""
    drills: list[DrillResult] = []


@dataclass(frozen=True)
class DrillSet:
    """The results of one `bascule drill`; `pictures` by fault, as they are written in an address."""

    found: DrillFile
    pictures: dict[str, list[str]]


@dataclass(frozen=True)
class DrillsView:
    """`faults`: name and title of what can be drilled from here; None while the list is not read yet."""

    sets: list[DrillSet]
    problems: list[str]
    folder: str
    may_start: bool
    faults: list[tuple[str, str]] | None
    running: str
    running_since: float | None
    told: list[str]


def is_lab(spec: Spec) -> bool:
    """Whether the services are the lab's: a drill never breaks others'."""
    hosts = {target.rpartition(":")[0] for service in spec.services.values() for target in service.targets}
    return spec.metadata.name == load(BUILT_IN).metadata.name and hosts <= {"127.0.0.1", "localhost"}


def _read(folder: Path) -> DrillFile | str | None:
    """What a folder holds, or why it cannot be read; None for nothing."""
    path = folder / RESULTS
    try:
        return DrillFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        return f"{path} cannot be read: {str(error).splitlines()[0]}"


@dataclass
class Drills:
    """One at a time; it starts a lab of its own, on ports of its own."""

    spec: Spec
    folder: Path = field(default_factory=FOLDER.absolute)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _running: tuple[str, float] = field(default=("", 0.0), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _faults: list[tuple[str, str]] | None = field(default=None, init=False)
    _asked: bool = field(default=False, init=False)

    def view(self) -> DrillsView:
        found = [_read(self.folder / name) for name in ("", FROM_PAGE)]
        runs = self._is_running()
        return DrillsView(
            [
                self._set(name, each)
                for name, each in zip(("", FROM_PAGE), found, strict=True)
                if each and not isinstance(each, str)
            ],
            [each for each in found if isinstance(each, str)],
            str(self.folder),
            is_lab(self.spec),
            self._known_faults(),
            self._running[0] if runs else "",
            self._running[1] if runs else None,
            self._told(),
        )

    def start(self, fault: str) -> None:
        """Raises UsageError where the services are not the lab's, or while another drill runs."""
        if not is_lab(self.spec):
            what = "the services of this spec are not the lab's: a drill never injects faults into others"
            raise UsageError(what, f"run `bascule drill {BUILT_IN} --fault {fault}` on a test machine")
        with self._lock:
            if self._is_running():
                raise UsageError(f"the drill {self._running[0]} runs", "wait until it is done, or stop it")
            out = self.folder / FROM_PAGE
            out.mkdir(parents=True, exist_ok=True)
            command = [*COMMAND, BUILT_IN, f"--fault={fault}", f"--out={out}"]
            with (out / OUTPUT).open("wb") as output:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            self._running = fault, time.time()

    def stop(self) -> None:
        with self._lock:
            if self._process and self._is_running():
                self._process.terminate()

    def picture(self, name: str) -> Path | None:
        """A picture of the folder; None for a name that is none of its pictures."""
        below, _, file = name.rpartition("/")
        folder = self.folder / below
        path = private.held(folder, file) if below in ("", FROM_PAGE) else None
        if path is None or path.suffix not in PICTURES or path.resolve().parent != folder.resolve():
            return None
        return path if path.is_file() else None

    def _set(self, name: str, found: DrillFile) -> DrillSet:
        there = sorted(path.name for path in (self.folder / name).glob("*.svg"))
        prefix = f"{name}/" if name else ""
        return DrillSet(
            found,
            {
                each.fault: [prefix + one for one in there if one.rpartition("-")[0] == each.fault]
                for each in found.drills
            },
        )

    def _known_faults(self) -> list[tuple[str, str]] | None:
        """The faults are known to a room above this one: its own command lists them, once, in the background."""
        with self._lock:
            if not self._asked and is_lab(self.spec):
                self._asked = True
                threading.Thread(target=self._ask_faults, name="faults", daemon=True).start()
        return self._faults

    def _ask_faults(self) -> None:
        """What fails is asked again by who opens the page next."""
        try:
            listed = run([*COMMAND, BUILT_IN, "--list", "--json"], LISTING_SECONDS)
            self._faults = [(row["fault"], row["what"]) for row in json.loads(listed.output)]
        except (ProcessFailed, ValueError) as error:  # it ended, or was ended, before it had told them
            log.warning("the faults cannot be listed: %s", error)
            self._asked = False

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _told(self) -> list[str]:
        """The last lines that the drill of this page said."""
        if self._process is None:
            return []
        try:
            lines = (self.folder / FROM_PAGE / OUTPUT).read_text("utf-8", "replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if line.strip()][-LAST_LINES:]
