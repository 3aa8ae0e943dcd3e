"""What was looked at, and what was found: a line of `bascule doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DoctorFinding:
    """Each kind of finding says which states it has."""

    subject: str
    state: str
    found: str

    @property
    def line(self) -> str:
        return f"{self.state:8}  {self.subject}: {self.found}"
