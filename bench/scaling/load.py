"""The built-in spec's series of any number of instances, scrape by scrape, as a Prometheus is sent them.

Every instance is scraped at an offset of its own. What a series counts is a share of what its instance
and segment answered, so buckets stay cumulative and values whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.rebuild import RATES, SEED, served

SERIES_AT_ONCE = 10_000  # in one request
SAMPLED = 100_000  # requests, from which the shares are taken
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_SAMPLE = b"\x12\x10\x09" + bytes(8) + b"\x10" + bytes(6)  # a value, and six bytes of milliseconds
_VALUE, _TIME = 3, 12  # where they begin
_SNAPPY = pa.Codec("snappy")

Floats = NDArray[np.float64]
Labels = Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Load:
    """`labels`: of each of m series. (m,) each: its `instance`, its `group` (instance and segment) and its `share` of
    what the group answers; NaN for `up`. `offsets`: of each instance, seconds. `answered`: by group and scrape.
    """

    labels: list[Labels]
    instance: NDArray[np.intp]
    group: NDArray[np.intp]
    share: Floats
    offsets: Floats
    answered: Floats
    interval: float = 1.0

    def __len__(self) -> int:
        return len(self.labels)

    def values(self, scrape: int) -> Floats:
        """Of each series, at that scrape."""
        counted = np.floor(self.share * self.answered[self.group, scrape])
        return np.where(np.isnan(self.share), 1.0, counted)

    def times(self, scrape: int, begin: float) -> NDArray[np.int64]:
        """When each series is scraped, milliseconds; the load begins at `begin`, Unix seconds."""
        return np.round(1000 * (begin + self.interval * scrape + self.offsets[self.instance])).astype(np.int64)

    @cached_property
    def requests(self) -> list[WriteRequest]:
        """Empty ones, which together hold every series."""
        starts = range(0, len(self), SERIES_AT_ONCE)
        return [WriteRequest(self.labels[start : start + SERIES_AT_ONCE]) for start in starts]

    def bodies(self, scrape: int, begin: float) -> Iterator[bytes]:
        """The requests of one scrape of all."""
        values, times = self.values(scrape), self.times(scrape, begin)
        for number, request in enumerate(self.requests):
            part = slice(number * SERIES_AT_ONCE, (number + 1) * SERIES_AT_ONCE)
            yield request.filled(values[part], times[part])


def load_of(instances: int, scrapes: int, interval: float = 1.0) -> Load:
    """So many instances of each version, scraped so often, every `interval` seconds."""
    random = np.random.default_rng(SEED)
    page = [*_page()]
    targets = [(version, f"{version}-{number}:1") for version in ("v1", "v2") for number in range(instances)]
    labels = [_labels(version, name, own) for version, name in targets for own, _, _ in page]
    each = np.repeat(np.arange(len(targets)), len(page))
    group = len(RATES) * each + np.tile([segment for _, segment, _ in page], len(targets))
    share = np.tile([share for _, _, share in page], len(targets))
    rates = np.tile([rate / 10 for rate in RATES.values()], len(targets))
    answered = np.cumsum(random.poisson(rates[:, None], (len(rates), scrapes)), axis=1)
    offsets = np.round(random.uniform(0, 1, len(targets)), 3)
    return Load(labels, each, group, share, offsets, answered.astype(float), interval)


def _page() -> Iterator[tuple[Labels, int, float]]:
    """What one instance shows, `up` last: labels, the number of the segment, and the share of its requests."""
    for number, segment in enumerate(RATES):
        for each in served(np.random.default_rng(SEED), "", np.array([SAMPLED])):
            own = dict(re.findall(r'(\w+)="([^"]*)"', each.labels))
            labels = {"__name__": each.metric, "user_segment": segment, **own}
            yield labels, number, float(each.increments[0]) / SAMPLED
    yield {"__name__": "up"}, 0, np.nan


def _labels(version: str, instance: str, own: Labels) -> Labels:
    target = {"job": f"supersmartmatch-{version}", "instance": instance}
    return dict(sorted({**target, **own, **({} if own["__name__"] == "up" else {"version": version})}.items()))


class WriteRequest:
    """A request of the remote-write protocol, version 1, with one sample a series, written once and filled again."""

    def __init__(self, labels: list[Labels]) -> None:
        frames = [_frame(own) for own in labels]
        ends = np.cumsum([len(frame) for frame in frames]) - len(_SAMPLE)
        self._bytes = np.frombuffer(b"".join(frames), np.uint8).copy()
        self._values = ends[:, None] + _VALUE + np.arange(8)
        self._times = ends[:, None] + _TIME + np.arange(6)

    def filled(self, values: Floats, times: NDArray[np.int64]) -> bytes:
        """The body, with these values and times (m,)."""
        self._bytes[self._values] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
        sevens = (times[:, None] >> (7 * np.arange(6))) & 0x7F
        sevens[:, :5] |= 0x80
        self._bytes[self._times] = sevens
        compressed: Any = _SNAPPY.compress(self._bytes.tobytes(), asbytes=True)
        return bytes(compressed)


def _frame(labels: Labels) -> bytes:
    inside = b"".join(_field(0x0A, _field(0x0A, k.encode()) + _field(0x12, v.encode())) for k, v in labels.items())
    return _field(0x0A, inside + _SAMPLE)


def _field(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([tag]) + length + content


class Sender:
    """Posts to a receiver of the remote-write protocol."""

    def __init__(self, url: str) -> None:
        self._client, self._url = httpx.Client(timeout=60), url

    def send(self, load: Load, scrape: int, begin: float) -> None:
        """One scrape of all. Raises httpx.HTTPStatusError where it is refused."""
        for body in load.bodies(scrape, begin):
            self._client.post(self._url, content=body, headers=HEADERS).raise_for_status()
