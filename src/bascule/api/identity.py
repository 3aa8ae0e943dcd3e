"""Which migration a role serves and a client means; each tells the other in a header."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bascule.spec import Spec

HEADER = "Bascule-Spec"


class Identity(BaseModel):
    """`digest` is that of the declaration without `stack`: where the parts run makes no other migration."""

    model_config = ConfigDict(frozen=True)

    migration: str
    versions: tuple[str, str]
    digest: str

    @classmethod
    def of(cls, spec: Spec) -> Self:
        return cls(
            migration=spec.metadata.name,
            versions=spec.versions.both,
            digest=_digest_of(spec.model_dump_json(by_alias=True, exclude={"stack"}, exclude_none=True)),
        )

    @classmethod
    def read(cls, header: str) -> Self | None:
        """What a header says; None for what is no identity."""
        try:
            return cls.model_validate_json(header)
        except ValidationError:
            return None

    @property
    def header(self) -> str:
        return self.model_dump_json(ensure_ascii=True)

    def __str__(self) -> str:
        baseline, candidate = self.versions
        return f"the migration {self.migration!r} ({baseline} to {candidate})"

    def is_same_migration(self, other: Identity) -> bool:
        return (self.migration, self.versions) == (other.migration, other.versions)


@lru_cache(maxsize=8)
def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
