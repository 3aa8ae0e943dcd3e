"""How every proposed spec begins: its name, and where its parts live on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

WARNING = "# warning: "  # begins a line of a proposed spec that `init` shows, too


def warnings_of(text: str) -> list[str]:
    """What the person who reads a proposed spec has to know first."""
    return [line.removeprefix("# ") for line in text.splitlines() if line.startswith(WARNING)]


def usual_phases(*gates: str) -> Iterator[str]:
    """The steps of a migration of which nothing is known, each with these gates."""
    yield "phases:"
    for share in (10, 25, 50, 75, 100):
        yield f"  - {{share: {share}%, hold: 24h, gates: {{{', '.join(gates)}}}}}"


def usual_slas(availability: str) -> Iterator[str]:
    """When to roll back and what to report, where errors are counted; `availability`: the window of that SLA."""
    yield "# guessed"
    yield "rollback:"
    yield '  - {when: "errors > 5%", for: 2m, action: immediate}'
    yield "slas:"
    yield f"  availability: {{objective: 99.9%, window: {availability}}}"
    yield '  error_rate: {objective: "< 1%", window: 24h}'


ERRORS_GATE = 'errors: "<1%"'


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
