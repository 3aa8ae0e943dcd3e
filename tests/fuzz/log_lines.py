"""Log lines, by every format: read many at once, and one by one.

Whatever bytes come: no line breaks the reader, each is in one row, and the vectorised pass reads what the strict
reading reads.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["bascule.logs.parsing", "bascule.logformat"]):
    from bascule.logformat import BUILT_IN
    from bascule.logs import Intake, Parser, Rows, VersionFinder, built_in

from guided import fuzz

from bascule.logs.parsing.columns import Chunk
from bascule.spec import load

Records = dict[int, tuple[str, dict[str, object]]]  # of each line: its format, its fields
ALL = [built_in(name) for name in BUILT_IN]
FINDER = VersionFinder.of(load("supersmartmatch"))
STAMP = "2026-01-31T12:00:00.123Z"


def check(data: bytes) -> None:
    """The first byte says which formats the source has."""
    if len(data) < 2:
        return
    first = data[0] % len(ALL)
    formats = tuple(ALL[first:] + ALL[:first])[: 1 + data[0] // len(ALL) % len(ALL)]
    lines = data[1:] + b"\n"
    at_once, one_by_one = Parser(formats, few_lines=0), Parser(formats, few_lines=10**9)
    assert records(at_once.parse(lines), lines) == records(one_by_one.parse(lines), lines)
    intake = Intake("fuzzed", Parser(formats), FINDER, problem=fail)
    intake.batch([intake.piece(Chunk("fuzzed", "s", 0, len(lines), lines))])


def fail(reason: str) -> None:
    raise AssertionError(f"a line breaks the reader: {reason}")


def records(parsed: list[Rows], data: bytes) -> Records:
    found: Records = {}
    for rows in parsed:
        columns = {name: column.to_arrow().to_pylist() for name, column in rows.columns.items()}
        for place, line in enumerate(rows.lines.tolist()):
            assert line not in found, "a line stands in one of the rows only"
            fields = {name: values[place] for name, values in columns.items() if values[place] is not None}
            found[line] = (rows.format, fields | {"at": int(rows.times[place])})
    assert len(found) <= data.count(b"\n")
    return found


def seeds() -> list[bytes]:
    lines = [
        f"{STAMP} INFO supersmartmatch-v2 API_CALL user_id=u1 endpoint=/api/v2/match response_time=0.02 status=200",
        f"{STAMP} INFO supersmartmatch-v1 MATCH_RESULT candidate_id=c job_id=j accuracy=0.9 algorithm=hybrid",
        '127.0.0.1 - - [31/Jan/2026:12:00:00 +0100] "GET /api HTTP/1.1" 502 7 "-" "curl" 0.2',
        f'{{"time": "{STAMP}", "upstream_addr": "127.0.0.1:5070, 127.0.0.1:5071", "status": 502, "uri": "/x"}}',
        'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: x',
        f'{{"log":"it failed\\n","stream":"stderr","time":"{STAMP}"}}\n{STAMP} stdout F it failed\nweb-1  | it failed',
        f'time={STAMP} level=error msg="it failed" status=500',
    ]
    every = "\n".join(lines)
    return [bytes([number]) + every.encode() for number in range(len(ALL))] + [
        b"\xff" + each.encode() for each in lines
    ]


if __name__ == "__main__":
    fuzz(check, seeds())
