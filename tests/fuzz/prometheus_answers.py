"""Prometheus' answers with many samples: read as arrays, and as JSON.

Whatever bytes come: what the parser of arrays reads the ordinary one reads the same, and what neither can read is a
QueryRejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import atheris
import httpx
import numpy as np

with atheris.instrument_imports(include=["bascule.prometheus"]):
    from bascule.prometheus import Prometheus, labels_of
    from bascule.prometheus.matrix import Matrix, matrix_of, parse_matrix

from guided import fuzz

from bascule.errors import BasculeError

Labels = dict[str, str]
Read = list[tuple[Labels, bytes, bytes]]  # of each series


def check(data: bytes) -> None:
    arrays = parse_matrix(data)
    if arrays is not None and (fast := read(lambda: arrays)) is not None:
        assert fast == read(lambda: matrix_of(json.loads(data)["data"]["result"]))
    server = httpx.MockTransport(lambda request: httpx.Response(200, content=data))
    client = Prometheus("http://127.0.0.1:9", transport=server)
    try:
        read(lambda: client.matrix("x", 60))
        with suppress(BasculeError):
            client.raw("x", 60)
    finally:
        client.close()


def read(make: Callable[[], Matrix]) -> Read | None:
    """Labels, times and values of each series; None where it is refused."""
    try:
        found = make()
        return [(labels_of(labels), times.tobytes(), plain(values)) for labels, times, values in found.rows()]
    except BasculeError:
        return None


def plain(values: np.ndarray) -> bytes:
    """Every NaN alike."""
    return np.where(np.isnan(values), np.nan, values).tobytes()


def seeds() -> list[bytes]:
    head = '{"status":"success","data":{"resultType":"matrix","result":['
    series = [
        '{"metric":{"__name__":"up","job":"v1"},"values":[[1769846400.123,"1"],[1769846401,"1.5e+06"]]}',
        r'{"metric":{"__name__":"x","a":"\"},\"values\":[["},"values":[[1769846400,"NaN"],[1769846401,"+Inf"]]}',
        '{"metric":{},"values":[[1769846400,"0"]]}',
    ]
    told = [series[:1], series[1:], series, []]
    return [f"{head}{','.join(each)}]}}}}".encode() for each in told] + [b'{"status":"error","error":"x"}']


if __name__ == "__main__":
    fuzz(check, seeds())
