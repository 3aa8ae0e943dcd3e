"""Which version a line speaks of, and how that is known.

In this order: the version that the spec declares for the source, the line's own `version` field, the line's
service where it is one of the spec's, the server that nginx sent the request to, the path. The source document
goes by the path alone, and so counts what nginx sends to V2 under a V1 path as V1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from bascule.conventions import UNKNOWN
from bascule.logs.parsing.columns import Coded, Rows
from bascule.spec import Spec

SOURCE, FIELD, SERVICE, UPSTREAM, PATH = "source", "field", "service", "upstream", "path"
# column that tells -> how `version_from` calls it, weakest first
_WAYS = (("endpoint", PATH), ("upstream_addr", UPSTREAM), ("service", SERVICE), ("version", FIELD))
_WAY_NAMES = [UNKNOWN, PATH, UPSTREAM, SERVICE, FIELD, SOURCE]


@dataclass(frozen=True)
class VersionFinder:
    """The spec's knowledge of versions, for one source."""

    names: tuple[str, ...]
    of_service: Mapping[str, str]
    of_target: Mapping[str, str]
    of_source: str | None = None

    @classmethod
    def of(cls, spec: Spec, of_source: str | None) -> VersionFinder:
        known = {name: service for name, service in spec.services.items() if service.version}
        return cls(
            spec.versions.both,
            {name: str(service.version) for name, service in known.items()},
            {target: str(service.version) for service in known.values() for target in service.targets},
            of_source,
        )

    def add(self, rows: Rows) -> Rows:
        """The rows with `version` and `version_from` for every line."""
        if self.of_source:
            return _with(rows, Coded.constant(self.of_source, len(rows)), Coded.constant(SOURCE, len(rows)))
        names, numbers = [UNKNOWN], np.zeros(len(rows), np.int32)
        ways = np.zeros(len(rows), np.int32)
        for number, (column, _) in enumerate(_WAYS, 1):
            if column in rows.columns:
                self._apply(rows.columns[column], self._reading(column), names, numbers, ways, number)
        return _with(rows, Coded(numbers, pa.array(names, pa.string())), Coded(ways, pa.array(_WAY_NAMES, pa.string())))

    def _reading(self, column: str) -> Callable[[str], str | None]:
        readings: dict[str, Callable[[str], str | None]] = {
            "version": lambda text: text,
            "service": self.of_service.get,
            "upstream_addr": self._upstream,
            "endpoint": self._path,
        }
        return readings[column]

    def _apply(
        self,
        column: Coded,
        reading: Callable[[str], str | None],
        names: list[str],
        numbers: np.ndarray,
        ways: np.ndarray,
        way: int,
    ) -> None:
        """Set each row's version where this column tells it; every distinct value is looked at once."""
        told = [reading(text) for text in column.texts()]
        for name in dict.fromkeys(name for name in told if name and name not in names):
            names.append(name)
        lookup = np.array([names.index(name) if name else -1 for name in told] + [-1], np.int32)
        found = lookup[column.codes]
        known = found >= 0
        numbers[known], ways[known] = found[known], way

    def _upstream(self, text: str) -> str | None:
        """nginx lists every server it tried, as `a, b` or `a : b`; the last one answered."""
        return self.of_target.get(text.replace(" : ", ", ").rsplit(", ", 1)[-1].strip())

    def _path(self, text: str) -> str | None:
        steps = text.partition("?")[0].split("/")
        return next((name for name in self.names if name in steps), None)


def _with(rows: Rows, version: Coded, how: Coded) -> Rows:
    return replace(rows, columns=rows.columns | {"version": version, "version_from": how})
