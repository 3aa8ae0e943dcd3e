"""What collectors put around a program's line: container runtimes, Docker Compose, syslog."""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from bascule.logformat.patterns import DAY, FRACTION, MONTH, SECOND, ZONE
from bascule.logs.parsing.values import document_of, read_time

_AT = rf"(?P<at>{DAY}T{SECOND}{FRACTION}{ZONE})"
_HEAD = re.compile(
    "|".join(
        rf"(?:{head})"
        for head in (
            rf"{_AT} (?:stdout|stderr) [FP] ",  # Kubernetes
            r"[\w.-]+ +\| ",  # Docker Compose
            rf"(?:<[0-9]+>)?{MONTH} [ 0-9][0-9] {SECOND} [^ ]+ [^ :]+: ",  # syslog and the journal, of no year
            rf"<[0-9]+>1 {_AT.replace('?P<at>', '?P<said>')} [^ ]+ [^ ]+ [^ ]+ [^ ]+ (?:-|\[.*?\]) ",  # RFC 5424
        )
    ),
    re.ASCII,
)
_DOCKER = '{"log":"'
_ANY = rf"^(?:{_HEAD.pattern}|{re.escape(_DOCKER)})"


class Wrapped(NamedTuple):
    """The program's own line, and when the collector got it (microseconds since 1970; None: not said)."""

    line: str
    at: int | None


def of_docker(line: str) -> Wrapped | None:
    """The line in an object of Docker's `json-file`."""
    if not line.startswith(_DOCKER):
        return None
    document = document_of(line) or {}
    log = document.get("log")
    if not (isinstance(log, str) and {"stream", "time"} <= document.keys()):
        return None
    return Wrapped(log.rstrip("\n"), read_time(str(document["time"])))


def is_one_wrapped(lines: pa.Array) -> bool:
    """Whether one of the lines begins as a collector writes it."""
    return pc.any(pc.match_substring_regex(lines, _ANY)).as_py() is True


def behind_head(line: str) -> Wrapped | None:
    """The line behind a collector's head."""
    match = _HEAD.match(line)
    if match is None:
        return None
    at = match["at"] or match["said"]
    return Wrapped(line[match.end() :], read_time(at) if at else None)
