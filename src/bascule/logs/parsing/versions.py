"""Which version a line speaks of, and how that is known.

The ways are tried in the order that the spec declares (`logs.version_from`); the first that tells one of the spec's two
versions counts:

    source    the version declared for the source
    upstream  the server that the balancer sent the request to: an address, or a name, of one of the spec's services
    field     the line's own `version`; not where upstream, if asked before, says that it is a third party's
    service   the line's service
    path      a step of the path; not where upstream or service say that it is a third party's

The source document goes by the path alone, and so counts what nginx sends to V2 under a V1 path as V1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bascule.conventions import UNKNOWN
from bascule.logs.parsing.columns import Coded, Rows, joined, spread
from bascule.logs.parsing.values import BLANKS
from bascule.spec import Spec
from bascule.spec.log_patterns import upstreams_of
from bascule.spec.model import LogSource

SOURCE, UPSTREAM, FIELD, SERVICE, PATH = "source", "upstream", "field", "service", "path"
_COLUMN = {UPSTREAM: "upstream_addr", FIELD: "version", SERVICE: "service", PATH: "endpoint"}
_NOBODY = np.int32(-1)
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class VersionFinder:
    """The spec's knowledge of versions, for one source.

    `of_upstream`: what a balancer may call a server -> its version, "" for a service of the spec that has none.
    `of_service`: likewise by the service's name.
    """

    names: tuple[str, ...]
    of_service: Mapping[str, str]
    of_upstream: Mapping[str, str]
    of_source: str | None = None
    ways: Sequence[str] = (SOURCE, UPSTREAM, FIELD, SERVICE, PATH)

    @classmethod
    def of(cls, spec: Spec, source: LogSource | None = None) -> VersionFinder:
        services = {name: service.version or "" for name, service in spec.services.items()}
        declared = source.version_from if source and source.version_from else spec.logs.version_from
        return cls(
            spec.versions.both, services, upstreams_of(spec), source.version if source else None, tuple(declared)
        )

    def add(self, rows: Rows) -> Rows:
        """The rows with `version` and `version_from` for every line; another version stays as a word of `extra`."""
        numbers, ways = np.full(len(rows), _NOBODY), np.zeros(len(rows), np.int32)
        for number, way in enumerate(self.ways, 1):
            told = self._told(way, rows)
            if told is not None:
                fresh = (numbers == _NOBODY) & (told != _NOBODY)
                numbers[fresh], ways[fresh] = told[fresh], number
        names = pa.array([*self.names, UNKNOWN], pa.string())
        version = Coded(np.where(numbers == _NOBODY, np.int32(len(self.names)), numbers), names)
        how = Coded(ways, pa.array([UNKNOWN, *self.ways], pa.string()))
        columns = _with_other_versions(rows, self.names)
        return replace(rows, columns=columns | {"version": version, "version_from": how})

    def _told(self, way: str, rows: Rows) -> Codes | None:
        """For each row the version that this way tells, as a number in `names`; None where it tells nothing."""
        if way == SOURCE:
            return np.full(len(rows), self._number(self.of_source)) if self.of_source else None
        column = rows.columns.get(_COLUMN[way])
        if column is None:
            return None
        told = looked_up(column, lambda text: self._number(self._reading(way)(text)))
        if way == FIELD and self._comes_later(FIELD):
            told = np.where(self._was_sent_elsewhere(rows), _NOBODY, told)
        if way == PATH:
            told = np.where(self._was_sent_elsewhere(rows) | self._is_of_others(rows), _NOBODY, told)
        return told

    def _comes_later(self, way: str) -> bool:
        """Whether the server that was asked counts more than this way."""
        return UPSTREAM in self.ways and self.ways.index(UPSTREAM) < self.ways.index(way)

    def _reading(self, way: str) -> Callable[[str], str | None]:
        readings: dict[str, Callable[[str], str | None]] = {
            UPSTREAM: lambda text: self.upstream(tries_in(text)[-1]),
            FIELD: lambda text: text,
            SERVICE: self.of_service.get,
            PATH: self._path,
        }
        return readings[way]

    def _number(self, name: str | None) -> int:
        return self.names.index(name) if name in self.names else int(_NOBODY)

    def _was_sent_elsewhere(self, rows: Rows) -> NDArray[np.bool_]:
        """Rows that a balancer sent to a server of neither version."""
        column = rows.columns.get("upstream_addr")
        if column is None:
            return np.zeros(len(rows), bool)
        return looked_up(column, lambda text: 0 if not self.upstream(tries_in(text)[-1]) else -1) >= 0

    def _is_of_others(self, rows: Rows) -> NDArray[np.bool_]:
        """Rows of a service of the spec that has no version."""
        column = rows.columns.get("service")
        if column is None:
            return np.zeros(len(rows), bool)
        return looked_up(column, lambda text: 0 if self.of_service.get(text) == "" else -1) >= 0

    def upstream(self, server: str) -> str:
        """The version of a server, as a balancer calls it; "" where it is of neither. HAProxy writes backend/server."""
        if server in self.of_upstream:
            return self.of_upstream[server]
        parts = server.removeprefix("tcp://").split("/") if not server.startswith("unix:") else []
        return next((self.of_upstream[part] for part in reversed(parts) if self.of_upstream.get(part)), "")

    def _path(self, text: str) -> str | None:
        steps = text.partition("?")[0].split("/")
        return next((name for name in self.names if name in steps), None)


def looked_up(column: Coded, number: Callable[[str], int]) -> Codes:
    """For each row what `number` gives for its text (-1 where it has none); every distinct value is looked at once."""
    numbers: Codes = np.array([number(text) for text in column.texts()] + [-1], np.int32)[column.codes]
    return numbers


def tries_in(text: str) -> list[str]:
    """nginx lists what it has for every server it tried, as `a, b`, and `a : b` behind an internal redirect."""
    return [part.strip() for part in text.replace(" : ", ", ").split(", ")]


def _with_other_versions(rows: Rows, names: Sequence[str]) -> dict[str, Coded]:
    """The columns, what a line calls its version but is none of the spec's kept as a word of `extra`."""
    columns = dict(rows.columns)
    said = columns.get("version")
    if said is None:
        return columns
    words = [f"version={text}" if text not in (*names, *BLANKS) else None for text in said.texts()]
    if any(words):
        columns["extra"] = joined(columns.get("extra"), spread(Coded.from_list(words), said.codes))
    return columns
