"""What every part of a spec is: a frozen model that refuses unknown keys, and keys that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Contradiction(ValueError):
    """What is wrong with keys of one part that are each well formed."""

    def __init__(self, what: str, *keys: str) -> None:
        super().__init__(what)
        self.keys = keys


class Part(BaseModel):
    """A part of the spec: unknown keys are refused, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def contradictions(self) -> Iterator[Contradiction]:
        """Every contradiction between the part's own keys; for parts to override."""
        yield from ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for contradiction in self.contradictions():
            raise contradiction
        return self
