"""Work that dies is begun again, and told."""

from __future__ import annotations

import threading

import pytest

from bascule.processes.workers import Workers


@pytest.fixture
def stop():
    event = threading.Event()
    yield event
    event.set()


def test_work_that_raises_or_ends_begins_again_and_is_told_and_counted(stop, eventually):
    workers, begun = Workers(stop, pause=0.01), []

    def fails():
        begun.append("fails")
        if len(begun) < 3:
            raise RuntimeError("unheard of")
        stop.wait()

    workers.start("reading", fails)
    eventually(lambda: len(begun) == 3)
    assert workers.deaths == {"reading": 2}
    assert workers.problems() == ["reading died 2 times and was started again"]


def test_work_that_goes_on_is_no_problem_and_ends_when_it_is_told_to(stop):
    workers = Workers(stop, pause=0.01)
    workers.start("reading", stop.wait)
    assert workers.problems() == []
    stop.set()
    workers.join(5)
    assert workers.deaths == {"reading": 0}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the exit is what is tried
def test_work_whose_thread_is_gone_is_told_for_as_long_as_it_is(stop, eventually):
    """An exit of the thread is no error that the next start could follow."""
    workers = Workers(stop, pause=0.01)

    def leaves():
        raise SystemExit

    workers.start("reading", leaves)
    eventually(lambda: workers.problems() == ["reading has ended"])
    stop.set()
    assert workers.problems() == []
