"""How every proposed spec begins: its name, and where its parts live on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Beginning:
    """`ports`: of the parts by their names in `stack.ports`; empty where the usual ones are free.

    `access`: how the servers are entered, as YAML of one line; empty where they ask for nothing.
    """

    name: str = "migration"
    ports: Mapping[str, int] = field(default_factory=dict)
    access: str = ""

    def lines(self, *more: str) -> Iterator[str]:
        """YAML up to the versions; `more`: further lines of `stack`."""
        yield "apiVersion: bascule/v1"
        yield "kind: Migration"
        yield f"metadata: {{name: {self.name}}}  # guessed: from the file's name"
        yield "stack:"
        yield f"  state: .bascule/{self.name}"
        if self.ports:
            yield "  # found: the usual ports are taken here"
            yield f"  ports: {{{', '.join(f'{part}: {port}' for part, port in self.ports.items())}}}"
        yield from (f"  {line}" for line in more)
        yield ""


USUAL = Beginning()
