"""The receiver of remote writes: Snappy, protobuf, and what is made of the samples.

Whatever bytes come: samples or a UsageError; a series, and a scrape, that is known is read all at once as it was read
field by field; and what was taken is answered.
"""

from __future__ import annotations

from collections.abc import Mapping

import atheris
import cramjam
import numpy as np

with atheris.instrument_imports(include=["bascule.judge.pushed", "bascule.prometheus"]):
    from bascule.judge import PushedSamples, WriteReader

from guided import fuzz
from remote_write import STALE, request

from bascule.errors import UsageError
from bascule.prometheus import Matrix

SELECTOR = '{__name__=~".+"}'
NOW = 1_769_846_400.0


class Rows:
    """A row for each series."""

    def __init__(self) -> None:
        self._known: dict[frozenset[tuple[str, str]], int] = {}

    def __call__(self, labels: Mapping[str, str]) -> int:
        return self._known.setdefault(frozenset(labels.items()), len(self._known))


class Silent:
    """A Prometheus that holds nothing."""

    def external_labels(self) -> Mapping[str, str]:
        return {"replica": "a"}

    def matrix(self, *_: object) -> Matrix:
        return Matrix.of([])


def read(reader: WriteReader, body: bytes) -> bytes | None:
    """The samples by row, time and value; None where the request is refused."""
    try:
        written = reader.read(body)
    except UsageError:
        return None
    values = written.values.view(np.int64)
    order = np.lexsort((values, written.times, written.rows))
    return np.array([written.rows, written.times, values], np.float64)[:, order].tobytes()


def check(data: bytes) -> None:
    """The first byte says whether the rest is packed already."""
    body = data[1:] if data[:1] > b"\x7f" else bytes(cramjam.snappy.compress_raw(data[1:]))
    reader = WriteReader(Rows())
    first = read(reader, body)
    assert all(read(reader, body) == first for _ in range(2))  # by series, then by scrape
    samples = PushedSamples(Silent())  # type: ignore[arg-type]
    samples.matrix(SELECTOR, 10, NOW)
    for _ in range(2):
        try:
            samples.take(body)
        except UsageError:
            return
    samples.has_reached(NOW, NOW)
    assert len(samples.matrix(SELECTOR, 10, NOW).labels) <= len(body)


def seeds() -> list[bytes]:
    up = {"__name__": "up", "job": "v1", "instance": "a:1", "replica": "a"}
    count = up | {"__name__": "http_requests_total", "code": "200"}
    several = [
        request([(up, [(NOW - 5, 1.0)]), (count, [(NOW - 5, 7.5)])]),
        request([(count, [(NOW - 5, 0.0), (NOW - 4, 1.0)]), (up, [(NOW, STALE)])]),
        request([({}, [(NOW, 2.0)]), ({"": ""}, [(0.0, 0.0)])]),
        request([(count | {"code": str(n)}, [(NOW + n // 20, n % 3)]) for n in range(60)]),
    ]
    plain = [bytes(cramjam.snappy.decompress_raw(each)) for each in several]
    return [b"\x00" + each for each in plain] + [b"\xff" + each for each in several]


if __name__ == "__main__":
    fuzz(check, seeds())
