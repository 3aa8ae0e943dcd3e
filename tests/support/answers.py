"""Answers of Prometheus with many samples, as it writes them, with labels and values of every kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

NASTY = ('"', "\\", '},"values":[[', ']]},{"metric":{', "]]}", "\n", "é", "\u2028", "<&>", "")
labels = st.dictionaries(
    st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True),
    st.one_of(st.sampled_from(NASTY), st.text(max_size=8)),
    max_size=4,
)
values = st.one_of(
    st.sampled_from(["NaN", "+Inf", "-Inf", "0", "1e+06", "5e-324"]),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
)


def result_of(rows: Iterable[tuple[Mapping[str, str], Iterable[tuple[float, str]]]]) -> list[dict[str, Any]]:
    """From labels and samples of each series."""
    return [{"metric": own, "values": [list(point) for point in samples]} for own, samples in rows]


def body_of(result: list[dict[str, Any]], **more: object) -> bytes:
    """A successful answer; `more`: what stands beside its data."""
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()
