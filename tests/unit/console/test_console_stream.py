"""The stream of news to open pages."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from bascule.console import Stream, TooManyViewers
from bascule.console import stream as streams


def told(event: str) -> dict[str, Any]:
    name, data = event.strip().split("\n")
    assert name == "event: frame"
    fragments: dict[str, Any] = json.loads(data.removeprefix("data: "))["fragments"]
    return fragments


def always() -> bool:
    return True


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 10))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "INTERVAL", 0.01)


def test_a_viewer_gets_everything_first_and_then_what_changed() -> None:
    frames = iter([{"a": "1", "b": "1"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}])
    last = {"a": "1", "b": "2"}

    async def look() -> list[dict[str, Any]]:
        viewer = Stream(lambda: next(frames, last), threading.Event()).events(always)
        await anext(viewer)  # how soon to come back
        seen = [told(await anext(viewer)) for _ in range(3)]
        await viewer.aclose()  # type: ignore[attr-defined]
        return seen

    assert run(look()) == [{"a": "1", "b": "1"}, {"b": "2"}, {}]


def test_news_makes_a_frame_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "INTERVAL", 60.0)
    news, last = threading.Event(), {"a": "1"}

    async def look() -> list[dict[str, Any]]:
        viewer = Stream(lambda: dict(last), threading.Event(), news).events(always)
        await anext(viewer)
        seen = [told(await anext(viewer))]
        last["a"] = "2"
        news.set()
        seen.append(told(await anext(viewer)))
        await viewer.aclose()  # type: ignore[attr-defined]
        news.set()
        return seen

    assert run(look()) == [{"a": "1"}, {"a": "2"}]


def test_one_frame_is_made_for_all_viewers() -> None:
    made: list[int] = []

    def make() -> dict[str, str]:
        made.append(1)
        return {"n": str(len(made))}

    async def look() -> set[str]:
        stream = Stream(make, threading.Event())
        viewers = [stream.events(always) for _ in range(20)]
        for viewer in viewers:
            await anext(viewer)
        first = await asyncio.gather(*(anext(viewer) for viewer in viewers))
        for viewer in viewers:
            await viewer.aclose()  # type: ignore[attr-defined]
        return {told(event)["n"] for event in first}

    assert run(look()) == {"1"}


def test_the_stream_ends_when_the_console_stops() -> None:
    stop = threading.Event()

    async def look() -> int:
        events = 0
        async for _ in Stream(dict, stop).events(always):
            events += 1
            if events == 3:
                stop.set()
        return events

    assert run(look()) >= 3


def test_a_viewer_who_may_not_go_on_is_told_so_and_another_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ASK_SECONDS", 0.0)
    answers = iter([True, False])

    async def look() -> tuple[list[str], dict[str, Any]]:
        stream = Stream(lambda: {"a": "1"}, threading.Event())
        other = stream.events(always)
        await anext(other)
        seen = [event async for event in stream.events(lambda: next(answers))]
        return seen, told(await anext(other))

    (_, first, last), other = run(look())
    assert (told(first), last, other) == ({"a": "1"}, streams.OVER, {"a": "1"})


def test_a_viewer_who_leaves_is_not_counted_any_more() -> None:
    async def look() -> tuple[int, int]:
        stream = Stream(dict, threading.Event())
        viewer = stream.events(always)
        await anext(viewer)
        here = stream.viewers
        await viewer.aclose()  # type: ignore[attr-defined]
        return here, stream.viewers

    assert run(look()) == (1, 0)


def test_more_viewers_than_can_be_served_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_VIEWERS", 1)

    async def look() -> None:
        stream = Stream(dict, threading.Event())
        viewer = stream.events(always)
        await anext(viewer)
        with pytest.raises(TooManyViewers):
            stream.events(always)
        await viewer.aclose()  # type: ignore[attr-defined]

    run(look())


def test_no_frame_is_made_when_nobody_looks() -> None:
    made: list[int] = []

    async def look() -> int:
        stream = Stream(lambda: made.append(1) or {}, threading.Event())  # type: ignore[func-returns-value]
        viewer = stream.events(always)
        await anext(viewer)
        await anext(viewer)
        await viewer.aclose()  # type: ignore[attr-defined]
        assert stream._maker is not None
        await stream._maker
        return len(made)

    assert run(look()) <= 2


def test_viewers_of_one_kind_share_what_is_said_and_another_kind_gets_its_own() -> None:
    made: list[str] = []

    def counted(name: str) -> streams.View:
        def view(frame: streams.Fragments) -> streams.Fragments:
            made.append(name)
            return {name: frame["a"]} if frame else {}

        return view

    readers, operators = counted("reader"), counted("operator")

    async def look() -> list[dict[str, Any]]:
        stream = Stream(lambda: {"a": "1"}, threading.Event())
        viewers = [stream.events(always, view) for view in [readers] * 20 + [operators]]
        for viewer in viewers:
            await anext(viewer)
        first = await asyncio.gather(*(anext(viewer) for viewer in viewers))
        for viewer in viewers:
            await viewer.aclose()  # type: ignore[attr-defined]
        return [told(each) for each in first]

    assert run(look()) == [{"reader": "1"}] * 20 + [{"operator": "1"}]
    assert made == ["reader", "reader", "operator", "operator"]  # before and now, once for each kind
