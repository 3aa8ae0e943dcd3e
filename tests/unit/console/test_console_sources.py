"""Reading the other parts while somebody looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from bascule.console import STALE_AFTER, Source, SourceReading, Watch
from bascule.errors import Unreachable


def counted(name: str = "part") -> tuple[Source[int], list[int]]:
    reads: list[int] = []

    def read() -> int:
        reads.append(1)
        return len(reads)

    return Source(name, read, interval=0.01), reads


def test_a_failure_keeps_what_was_known_at_its_old_time() -> None:
    answers: list[int | Exception] = [7, Unreachable("it does not answer")]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = Source("part", read, said_at=lambda _: 100.0)
    source.refresh()
    source.refresh()
    assert source.reading.value == 7
    assert source.reading.at == 100.0
    assert source.reading.error == "it does not answer"


@pytest.mark.parametrize("error", [ValueError("no JSON"), KeyError("verdict"), TypeError("a list")])
def test_an_answer_of_another_shape_is_told_as_an_error(error: Exception) -> None:
    def read() -> int:
        raise error

    source = Source("part", read)
    source.refresh()
    assert "not what was expected" in source.reading.error
    assert source.reading.value is None


def test_a_reading_is_fresh_for_five_seconds_by_what_it_tells_and_not_by_when_it_came() -> None:
    reading = SourceReading("hold", at=100.0, heard=200.0)
    assert reading.fresh(100.0 + STALE_AFTER) == "hold"
    assert reading.fresh(200.0) is None
    assert reading.answers(200.0)


def test_a_reading_that_never_came_is_never_fresh() -> None:
    reading: SourceReading[str] = SourceReading()
    assert reading.age(5.0) is None
    assert not reading.is_fresh(5.0)


def test_nothing_is_read_until_somebody_looks(eventually: Callable[..., object]) -> None:
    source, reads = counted()
    watch = Watch([source])
    watch.start()
    assert not reads
    assert watch.look()
    eventually(lambda: len(reads) >= 2)
    watch.stop()


def test_reading_ends_when_nobody_has_looked_for_a_while(eventually: Callable[..., object]) -> None:
    source, reads = counted()
    now = [0.0]
    watch = Watch([source], clock=lambda: now[0])
    watch.start()
    watch.look()
    eventually(lambda: reads)
    now[0] = 60.0
    # The thread that is in the middle of a read may finish it.
    eventually(
        lambda: (
            watch.sources[0].reads == len(reads)
            and not threading.Event().wait(0.05)
            and watch.sources[0].reads == len(reads)
        )
    )
    seen = len(reads)
    assert watch.look()
    eventually(lambda: len(reads) > seen)
    watch.stop()


def test_a_part_that_hangs_does_not_keep_the_others_from_being_read(eventually: Callable[..., object]) -> None:
    release = threading.Event()
    hanging: Source[bool] = Source("hanging", lambda: release.wait(20), interval=0.01)
    source, reads = counted()
    watch = Watch([hanging, source])
    watch.start()
    watch.look()
    eventually(lambda: len(reads) > 3)
    assert hanging.reads == 0
    release.set()
    watch.stop()


def test_settling_waits_until_every_source_was_read_anew() -> None:
    source, reads = counted()
    watch = Watch([source])
    watch.start()
    watch.look()
    watch.settle(5.0)
    assert reads
    watch.stop()


def test_the_first_page_waits_for_a_source_that_is_read_seldom_too() -> None:
    seldom: Source[str] = Source("slas", lambda: "kept", interval=60.0)
    watch = Watch([seldom])
    watch.start()
    watch.look()
    watch.settle(5.0)
    assert seldom.reading.value == "kept"
    before = time.monotonic()
    watch.settle(5.0)
    assert time.monotonic() - before < 4  # it is not due yet
    watch.stop()


def test_settling_gives_up_in_time() -> None:
    release = threading.Event()
    watch = Watch([Source("hanging", lambda: release.wait(20))])
    watch.start()
    watch.look()
    before = time.monotonic()
    watch.settle(0.1)
    assert time.monotonic() - before < 5
    release.set()
    watch.stop()
