"""Everything that can go wrong for a user, each error saying what, where and what to do.

BasculeError
├── SpecError             the spec is wrong; holds every problem with its line
├── UsageError            a command was called in a way that cannot work
│   ├── NotAllowed        the token that a request needs is missing or wrong
│   └── OtherMigration    a role serves another migration than the one that is meant
├── ProgramMissing        a program such as prometheus is not on this machine
├── PortBusy              a port is already taken
├── AlreadyRunning        another Bascule holds the same state folder
├── ProcessFailed         a started program did not become ready, or keeps crashing
├── Unreachable           a server does not answer (a retry can help)
├── QueryRejected         a server answered that the request is wrong
├── DeliveryFailed        a notification or report did not arrive
└── StoreError            a store on disk cannot be read or written
    └── StoreFull         there is no room for what was to be kept
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "AlreadyRunning",
    "BasculeError",
    "DeliveryFailed",
    "NotAllowed",
    "OtherMigration",
    "PortBusy",
    "Problem",
    "ProcessFailed",
    "ProgramMissing",
    "QueryRejected",
    "SpecError",
    "StoreError",
    "StoreFull",
    "Unreachable",
    "UsageError",
]


class BasculeError(Exception):
    """What went wrong, and `fix`: what the reader can do about it.

    `can_retry` says whether the same call may succeed later without any change.
    `exit_code` is what the command line returns.
    """

    can_retry = False
    exit_code = 1

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  {self.fix}" if self.fix else self.what


class UsageError(BasculeError):
    exit_code = 2


class NotAllowed(UsageError):
    pass


class OtherMigration(UsageError):
    pass


@dataclass(frozen=True)
class Problem:
    """One problem of a spec, or of what it names: where (dotted key; 1-based line, 0 for the whole), what, and the fix.

    `column` (1-based) is where the value begins; 0 where the line says enough.
    """

    key: str
    what: str
    fix: str = ""
    line: int = 0
    column: int = 0

    @property
    def place(self) -> str:
        return ":".join(str(each) for each in (self.line, self.column) if each)

    @property
    def told(self) -> str:
        """What is wrong, and the fix."""
        return f"{self.what} ({self.fix})" if self.fix else self.what

    def __str__(self) -> str:
        return f"{self.key}: {self.told}" if self.key else self.told


class SpecError(BasculeError):
    """All the problems of one spec, in the order of their lines."""

    exit_code = 2

    def __init__(self, path: Path | str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(f"{':'.join(filter(None, (str(path), p.place)))}: {p}" for p in self.problems))


class ProgramMissing(BasculeError):
    exit_code = 1


class PortBusy(BasculeError):
    exit_code = 1


class AlreadyRunning(BasculeError):
    exit_code = 1


class ProcessFailed(BasculeError):
    can_retry = True


class Unreachable(BasculeError):
    can_retry = True
    exit_code = 4


class QueryRejected(BasculeError):
    pass


class DeliveryFailed(BasculeError):
    """`can_retry` is set per failure: a wrong address never works, a time-out may. `wait`: seconds that the receiver
    asks for before the next attempt."""

    def __init__(self, what: str, fix: str = "", *, can_retry: bool, wait: float = 0.0) -> None:
        super().__init__(what, fix)
        self.can_retry = can_retry
        self.wait = wait


class StoreError(BasculeError):
    pass


class StoreFull(StoreError):
    can_retry = True
