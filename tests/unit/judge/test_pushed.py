"""What Prometheus writes to the judge is read as what it is asked for; where that is in doubt, it is asked."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

import cramjam
import judge_arrivals
import numpy as np
import pytest
import remote_write
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_arrivals import BEGIN, Arrivals, Sample, drawn, evaluations, spec, steady
from judge_beside import SETTLE, looks_of

from bascule.errors import Unreachable, UsageError
from bascule.judge import Alignment, JointLook, PushedSamples, SampleReader, Schema, WriteReader
from bascule.prometheus import Matrix, labels_of

SECONDS = 60
NOT_WANTED = -1
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
labels = st.dictionaries(texts, texts, min_size=1, max_size=6).map(lambda own: {"__name__": "a", **own})
values = st.one_of(st.floats(), st.just(0.0), st.just(-0.0), st.integers(0, 10**9).map(float))
samples = st.lists(st.tuples(st.integers(10**9, 4 * 10**9).map(float), values), min_size=1, max_size=3)


class Known:
    """Rows for any series."""

    def __init__(self) -> None:
        self.rows: dict[tuple[tuple[str, str], ...], int] = {}

    def row(self, own: Mapping[str, str]) -> int:
        return self.rows.setdefault(tuple(sorted(own.items())), len(self.rows))


# ---------------------------------------------------------------- requests


@given(st.lists(st.lists(st.tuples(labels, samples), max_size=8), max_size=4))
def test_a_request_is_read_as_it_was_written_whatever_series_are_known(requests):
    known = Known()
    reader = WriteReader(known.row)
    for series in [*requests, *requests]:  # the second time, all are known
        read = reader.read(remote_write.request(series))
        found = sorted(zip(read.rows.tolist(), read.times.tolist(), map(_bits, read.values), strict=True))
        told = [(known.row(own), time, _bits(value)) for own, points in series for time, value in points]
        assert found == sorted(told)


def _bits(value: float) -> bytes:
    return np.float64(value).tobytes()


targets = st.integers(0, 3)
changes = st.one_of(
    st.tuples(st.sampled_from(["more", "fewer", "zero", "twice"]), targets, st.integers(0, 39)),
    st.tuples(st.sampled_from(["turned", "together", "old"]), targets, st.just(0)),
)


class Pages:
    """Targets whose scrapes have the same series in the same order, but for what changes."""

    def __init__(self, sizes: list[int]) -> None:
        self.names = [[f"m{number}" for number in range(size)] for size in sizes]
        self.order = [*range(len(sizes))]
        self.zero: set[tuple[int, str]] = set()
        self.twice: set[tuple[int, str]] = set()
        self.together: set[int] = set()  # targets that are scraped at the same moment
        self.old: set[int] = set()  # whose times are short numbers

    def change(self, kind: str, target: int, place: int) -> None:
        target %= len(self.names)
        names = self.names[target]
        if kind == "more":
            names.insert(place, f"new{len(names)}-{place}")
        elif kind == "fewer" and len(names) > 1:
            del names[place % len(names)]
        elif kind in ("zero", "twice"):
            getattr(self, kind).symmetric_difference_update({(target, names[place % len(names)])})
        elif kind in ("together", "old"):
            getattr(self, kind).symmetric_difference_update({target})
        elif kind == "turned":
            self.order.append(self.order.pop(0))

    def scrapes(self, second: int) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        return [
            ({"__name__": name, "instance": str(target)}, [*self._samples(second, target, name)])
            for target in self.order
            for name in self.names[target]
        ]

    def _samples(self, second: int, target: int, name: str) -> Any:
        begin = 10**6 if target in self.old else 1_700_000_000
        time = begin + second + (0 if target in self.together else target / 8)
        yield time, 0.0 if (target, name) in self.zero else second + 0.25
        if (target, name) in self.twice:
            yield time + 0.5, 1.0


@given(
    st.lists(st.integers(10, 40), min_size=1, max_size=4),
    st.lists(st.tuples(st.lists(changes, max_size=2), st.lists(st.integers(0, 200), max_size=2)), max_size=8),
)
def test_scrapes_are_read_as_they_were_written_whatever_changed_since_the_last(sizes, seconds):
    """A request ends anywhere; the series of a few names are wanted by nobody."""
    pages, known = Pages(sizes), Known()
    reader = WriteReader(lambda own: NOT_WANTED if own["__name__"] == "m7" else known.row(own))
    for second, (changed, cuts) in enumerate([([], [])] * 3 + seconds):
        for change in changed:
            pages.change(*change)
        series = pages.scrapes(second)
        edges = sorted({0, len(series), *(cut % (len(series) + 1) for cut in cuts)})
        for one, two in pairwise(edges):
            read = reader.read(remote_write.request(series[one:two]))
            found = sorted(zip(read.rows.tolist(), read.times.tolist(), read.values.tolist(), strict=True))
            told = [
                (NOT_WANTED if own["__name__"] == "m7" else known.row(own), time, value)
                for own, points in series[one:two]
                for time, value in points
            ]
            assert found == sorted(told)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_request_are_refused_or_hold_nothing(body):
    for sent in (body, bytes(cramjam.snappy.compress_raw(body))):
        with suppress(UsageError):
            WriteReader(Known().row).read(sent)


@pytest.mark.parametrize("cut", range(1, 10))
def test_a_sample_that_ends_within_its_value_is_refused(cut):
    """Its length, its series' and its request's are those of the rest: only its value lacks bytes."""
    value = b"\x09" + bytes(range(8))
    sample = value[: len(value) - cut] or b"\x09"
    series = bytes([0x12, len(sample)]) + sample
    body = bytes(cramjam.snappy.compress_raw(bytes([0x0A, len(series)]) + series))
    with pytest.raises(UsageError, match="ends within a field"):
        WriteReader(lambda labels: 0).read(body)


def field(tag: int, content: bytes) -> bytes:
    """With its length in three bytes."""
    size = len(content)
    return bytes([tag, size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + content


@pytest.mark.parametrize(
    "plain",
    [
        field(0x0A, b"") * 60_000,
        field(0x0A, b"\x0a\x00" * 600_000),
        field(0x0A, field(0x0A, b"\x0a\x01a" * 9)),
        field(0x0A, field(0x12, b"\x10\x01" * 40)),
    ],
    ids=["series", "labels of a series", "names of a label", "times of a sample"],
)
def test_a_request_of_more_parts_than_anyone_sends_is_refused(plain):
    """Each costs its time; a small body can be unpacked to millions."""
    with pytest.raises(UsageError, match=r"send fewer samples at once|more fields than"):
        WriteReader(lambda labels: 0).read(bytes(cramjam.snappy.compress_raw(plain)))


def test_a_request_that_unpacks_to_more_than_is_taken_is_refused_before_it_is_unpacked():
    bomb = bytes(cramjam.snappy.compress_raw(bytes(33 << 20)))
    with pytest.raises(UsageError, match="send fewer samples at once"):
        WriteReader(Known().row).read(bomb)


# ---------------------------------------------------------------- worlds


class Server(Arrivals):
    """Which adds a label to what it writes."""

    def external_labels(self) -> dict[str, str]:
        return {"site": "paris"}


def written(some: list[Sample], random: np.random.Generator) -> list[bytes]:
    """In the order in which a scrape is stored, `up` last, in requests that are cut anywhere."""
    some = sorted(some, key=lambda each: (each.arrival, each.time, dict(each.labels)["__name__"] == "up"))
    cuts = sorted({0, len(some), *random.integers(0, len(some) + 1, 3).tolist()})
    return [
        remote_write.request([({**dict(s.labels), "site": "paris"}, [(s.time, s.value)]) for s in some[one:two]])
        for one, two in pairwise(cuts)
    ]


class Followed:
    """A world that is followed by a reader of what is pushed, evaluation by evaluation."""

    def __init__(self, world: list[Sample], seed: int) -> None:
        self.source = Server(world)
        self.pushed = PushedSamples(self.source)  # type: ignore[arg-type]
        self._world, self._random = world, np.random.default_rng(seed)
        schema = Schema(spec(), judge_arrivals.BOUNDS)
        self._reader = SampleReader(schema, self.pushed)
        self._alignment = Alignment(self._reader.instances, len(schema.columns))
        self._last, self._until = -math.inf, -math.inf

    def look(self, now: float) -> list[JointLook]:
        """Where the sender is known to be up to date."""
        self._read(now)
        return self._alignment.take(now - SETTLE)

    def look_careful(self, now: float, is_lost: Any) -> list[JointLook]:
        """As the judge does, who cannot know that. `is_lost`: whether a sample is not sent."""
        return self._alignment.take(self._read(now, is_lost) - SETTLE)

    def _read(self, now: float, is_lost: Any = lambda each: False) -> float:
        self.source.now = now
        new = [each for each in self._world if self._last < each.arrival <= now and not is_lost(each)]
        for body in written(new, self._random):
            self.pushed.take(body)
        known = self.pushed.known_until(now)
        until = self._until if math.isfinite(self._until) else now - 15
        for news in self._reader.take(self._reader.fetch_on(until, now, self._alignment)):
            self._alignment.add(news)
        self._last = self._until = now
        return known


def pulled(world: list[Sample], at: list[float]) -> list[JointLook]:
    return looks_of(world, at)[0]


def told(looks: list[JointLook]) -> list[Any]:
    return [(look.time, look.seconds, look.since, look.increments.tolist()) for look in looks]


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10**6))
def test_the_evaluations_are_those_of_who_asks_for_everything(seed):
    """Any world: resets, births, late and lost scrapes, gone and returning instances, absurd values."""
    world, at = drawn(seed, SECONDS), evaluations(seed, SECONDS)
    followed = Followed(world, seed)
    assert told([look for now in at for look in followed.look(now)]) == told(pulled(world, at))


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([4, 7, 20]))
def test_what_the_sender_left_out_is_asked_for(seed, begin, seconds):
    """Where no scrape comes later than it settles: what is told late is told in the same evaluations."""
    world, at = [each._replace(arrival=each.time) for each in drawn(seed, SECONDS)], evaluations(seed, SECONDS)
    followed = Followed(world, seed)
    lost = BEGIN + begin, BEGIN + begin + seconds
    found = [look for now in at for look in followed.look_careful(now, lambda each: lost[0] <= each.time < lost[1])]
    assert told(found) == told(pulled(world, at))


def asked_after(followed: Followed, seconds: int, begin: float) -> int:
    """How many answers are asked for between then and second 55, with an evaluation each second."""
    for second in range(seconds):
        followed.look(begin + second)
    asked = followed.pushed.pulled
    for second in range(seconds, 55):
        followed.look(begin + second)
    return followed.pushed.pulled - asked


def test_what_is_pushed_is_not_asked_for():
    world = list(steady({"one:0": 0.1, "two:0": 0.1}))
    followed = Followed(world, 1)
    assert asked_after(followed, 20, BEGIN + 0.5) == 0
    assert followed.pushed.pushed > 35 * 5


def test_a_sender_that_is_behind_is_told_and_prometheus_is_asked():
    world = list(steady({"one:0": 0.1, "two:0": 0.1}))
    followed = Followed(world, 1)
    found = [look for second in range(20) for look in followed.look(BEGIN + second + 0.5)]
    assert followed.pushed.problem(BEGIN + 19.5) == ""
    behind = lambda each: each.time > BEGIN + 19.5  # noqa: E731
    found += [look for second in range(20, 30) for look in followed.look_careful(BEGIN + second + 0.5, behind)]
    assert "the newest sample that Prometheus wrote is 10 s old" in followed.pushed.problem(BEGIN + 29.5)
    assert told(found) == told(pulled(world, [BEGIN + second + 0.5 for second in range(30)]))


def test_a_sender_of_several_queues_is_told_and_prometheus_is_asked():
    world = list(steady({"one:0": 0.1, "two:0": 0.1}))
    followed = Followed(world, 1)
    for second in range(10):
        followed.look(BEGIN + second + 0.5)
    after = [each for each in world if BEGIN + 10 < each.time < BEGIN + 11]
    for of_up in (True, False):  # `up` before all else
        part = [each for each in after if (dict(each.labels)["__name__"] == "up") is of_up]
        followed.pushed.take(remote_write.request([(dict(s.labels), [(s.time, s.value)]) for s in part]))
    assert "max_shards: 1" in followed.pushed.problem(BEGIN + 11)


def test_samples_that_are_not_those_of_prometheus_are_not_relied_on():
    """Another Prometheus writes, too."""
    world = list(steady({"one:0": 0.1, "two:0": 0.1}))
    other = [each._replace(value=each.value + (dict(each.labels)["__name__"] != "up")) for each in world]
    followed = Followed(other, 1)
    followed.source = followed.pushed._prometheus = Server(world)  # type: ignore[assignment]
    for second in range(20):
        followed.look(BEGIN + second + 0.5)
    assert followed.pushed.pushed == 0 or "is not what Prometheus holds" in followed.pushed.doubt
    assert "is not what Prometheus holds" in followed.pushed.problem(BEGIN + 19.5)


def test_a_busy_prometheus_that_scrapes_by_turns_late_and_in_time_has_missed_nothing():
    late = lambda each: 0.45 if round(each.time - 0.25) % 2 else 0.0  # noqa: E731
    world = [
        each._replace(time=each.time + late(each), arrival=each.arrival + late(each))
        for each in steady({"one:0": 0.1, "two:0": 0.1})
    ]
    assert asked_after(Followed(world, 1), 30, BEGIN + 0.9) == 0


class Slow(Server):
    """Which says its external labels once it may."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked, self.is_asked, self.may_say = 0, threading.Event(), threading.Event()

    def external_labels(self) -> dict[str, str]:
        self.asked += 1
        self.is_asked.set()
        assert self.may_say.wait(10)
        return super().external_labels()


def test_the_external_labels_are_asked_for_by_one_request_at_a_time():
    """The others are refused until then, and Prometheus sends them again."""
    server, request = Slow(), remote_write.request([])
    pushed = PushedSamples(server)  # type: ignore[arg-type]
    first = threading.Thread(target=pushed.take, args=[request])
    first.start()
    try:
        assert server.is_asked.wait(10)
        with pytest.raises(Unreachable):
            pushed.take(request)
    finally:
        server.may_say.set()
        first.join(10)
    pushed.take(request)
    assert server.asked == 1


class Behind(Server):
    """Whose samples of the last second come while it is asked."""

    def __init__(self, world: list[Sample]) -> None:
        super().__init__(world)
        self.coming: list[bytes] = []
        self.pushed = PushedSamples(self)  # type: ignore[arg-type]

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        for body in self.coming:
            self.pushed.take(body)
        self.coming = []
        return super().matrix(selector, seconds, at)


def test_an_answer_that_has_a_series_twice_or_labels_in_another_order_is_the_same():
    class Otherwise(Server):
        def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
            held = super().matrix(selector, seconds, at)
            turned = [b",".join(reversed(labels.split(b","))) for labels in held.labels]
            both = [np.concatenate([each, each]) for each in (held.counts, held.times, held.values)]
            return Matrix([*held.labels, *turned], *both)

    followed = Followed(world := list(steady({"one:0": 0.1, "two:0": 0.1})), 1)
    followed.source = followed.pushed._prometheus = Otherwise(world)  # type: ignore[assignment]
    assert asked_after(followed, 20, BEGIN + 0.5) == 0
    assert followed.pushed.doubt == ""


def test_what_comes_while_prometheus_is_asked_is_not_missing_from_what_was_there():
    world, random = list(steady({"one:0": 0.1, "two:0": 0.1})), np.random.default_rng(1)
    server, selectors = Behind(world), ['requests_total{version="v1"}', 'up{job="one"}']
    server.pushed.want(selectors)
    for second in range(40):
        server.now = now = BEGIN + second + 0.5
        server.coming += written([each for each in world if now - 1 < each.arrival <= now], random)
        for selector in selectors:
            server.pushed.matrix(selector, 2.0, now)
        for body in server.coming:
            server.pushed.take(body)
        server.coming = []
    assert server.pushed.doubt == ""
    assert server.pushed.pushed > 60


def test_a_series_that_is_no_longer_there_is_no_sample():
    own = {"__name__": "up", "job": "one", "instance": "one:0"}
    read = WriteReader(Known().row).read(
        remote_write.request([(own, [(BEGIN, 1.0)]), (own, [(BEGIN, remote_write.STALE)])])
    )
    assert read.stale.tolist() == [False, True]


def test_labels_are_answered_as_prometheus_answers_them():
    source = Server([])
    pushed = PushedSamples(source)  # type: ignore[arg-type]
    own = {"__name__": "up", "job": 'a"é\\', "instance": "one:0"}
    pushed.matrix('up{instance="one:0"}', 5.0, BEGIN)
    for second in range(4):
        pushed.take(remote_write.request([({**own, "site": "paris"}, [(BEGIN + second, 1.0)])]))
    found = pushed._found('up{instance="one:0"}', BEGIN + 2, BEGIN + 3)  # before it is compared
    assert found is not None
    assert [labels_of(each) for each in found.matrix.labels] == [own]
    assert found.matrix.times.tolist() == [BEGIN + 2, BEGIN + 3]
