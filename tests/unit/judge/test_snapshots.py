"""A judge that is restarted goes on from its snapshot, or reads history again: its state is the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import pickle
import threading

import numpy as np
import pytest

from bascule.judge import LiveJudge, PhaseWatch, PlanStep, Snapshots, VerdictBoard, snapshot_of

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}


class Shops:
    """Two shops that a pretended Prometheus scrapes."""

    def __init__(self, house, world) -> None:
        self.spec = house.shop_spec()
        self.prometheus = world.PretendPrometheus(now=START - 15, plan=PlanStep(2, START, HALF))
        self._shops = [house.Shop(version, number, dict(world.RATES)) for number, version in enumerate(("v1", "v2"))]

    def serve(self, seconds: int) -> None:
        for _ in range(seconds):
            self.prometheus.now += 1
            for shop in self._shops:
                shop.serve(1.0)
                target = {"job": f"shop-{shop.version}", "instance": shop.version}
                self.prometheus.add(self.prometheus.now, shop.text() + "up 1\n", **target)

    def watch(self, plan: PlanStep | None = None) -> PhaseWatch:
        return PhaseWatch(self.spec, self.prometheus, plan or self.prometheus.plan, reach=100.0)

    def judge(self, folder) -> LiveJudge:
        board = VerdictBoard(self.spec)
        return LiveJudge(self.spec, self.prometheus, (), board.publish, snapshots=Snapshots(folder))


@pytest.fixture
def shops(house, world) -> Shops:
    shops = Shops(house, world)
    shops.serve(45)
    return shops


def weighed(watch: PhaseWatch) -> list[np.ndarray]:
    engine = watch.engine
    history = engine.history
    return [engine.sums, engine.frozen, engine.distance, engine.nearest, history.rate, history.upper, history.phi]


def test_a_watch_that_recalls_a_snapshot_ends_up_where_one_that_never_stopped_is(shops, tmp_path):
    steady = shops.watch()
    steady.advance(shops.prometheus.now)
    snapshots = Snapshots(tmp_path)
    snapshots.write(snapshot_of(steady))
    shops.serve(25)
    steady.advance(shops.prometheus.now)
    shops.prometheus.asked.clear()
    again = shops.watch()
    assert snapshots.recall(again, shops.prometheus.now)
    again.advance(shops.prometheus.now)
    assert min(begin for begin, _ in shops.prometheus.asked) >= shops.prometheus.now - 25 - 15
    for one, other in zip(weighed(steady), weighed(again), strict=True):
        np.testing.assert_array_equal(one, other)
    for each in (steady, again):
        each.advance(shops.prometheus.now + 1)
    assert again.surroundings(shops.prometheus.now).sights == steady.surroundings(shops.prometheus.now).sights


class Hostile:
    """What runs code of others where a snapshot is read without care."""

    def __reduce__(self):
        return pytest.fail, ("code of others ran",)


def forged(content: bytes, state: bytes) -> bytes:
    """A snapshot whose head is right, with another state."""
    head = json.loads(content.partition(b"\n")[0]) | {"sha256": hashlib.sha256(state).hexdigest()}
    return json.dumps(head).encode() + b"\n" + state


DAMAGE = {
    "cut short": lambda content: content[:-100],
    "a byte is another": lambda content: content[:-50] + bytes([content[-50] ^ 1]) + content[-49:],
    "empty": lambda content: b"",
    "no snapshot": lambda content: b"[1, 2]\nnothing",
    "code of others": lambda content: forged(content, pickle.dumps(Hostile())),
    "of another shape": lambda content: forged(content, pickle.dumps(7)),
}


def test_a_damaged_snapshot_is_ignored_with_a_word_and_history_is_read(shops, tmp_path, caplog):
    watch, again, snapshots = shops.watch(), shops.watch(), Snapshots(tmp_path)
    watch.advance(shops.prometheus.now)
    content = snapshot_of(watch)
    for name, damage in DAMAGE.items():
        caplog.clear()
        snapshots.write(damage(content))
        assert not snapshots.recall(again, shops.prometheus.now), name
        assert "snapshot is ignored" in caplog.text, name
    again.advance(shops.prometheus.now)
    np.testing.assert_array_equal(again.engine.sums, watch.engine.sums)


def test_a_snapshot_of_another_step_spec_or_server_or_of_a_later_time_is_ignored(shops, house, tmp_path, caplog):
    watch = shops.watch()
    watch.advance(shops.prometheus.now)
    snapshots = Snapshots(tmp_path)
    snapshots.write(snapshot_of(watch))
    other_step = shops.watch(PlanStep(2, START + 1, HALF))
    other_spec = PhaseWatch(house.shop_spec(house.SPEC.replace("10s", "20s")), shops.prometheus, shops.prometheus.plan)
    server = dataclasses.replace(shops.prometheus, url="http://another")
    other_server = PhaseWatch(shops.spec, server, server.plan)
    for other in (other_step, other_spec, other_server):
        caplog.clear()
        assert not snapshots.recall(other, shops.prometheus.now)
        assert "of another build, spec, Prometheus or step" in caplog.text
    assert not snapshots.recall(shops.watch(), shops.prometheus.now - 10)
    assert "from a later time" in caplog.text
    assert not snapshots.recall(shops.watch(), shops.prometheus.now + 100_000)
    assert snapshots.recall(shops.watch(), shops.prometheus.now + 10)


def test_a_judge_that_is_stopped_keeps_a_snapshot_and_the_next_one_reads_on_from_it(shops, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    stop, judge = threading.Event(), shops.judge(tmp_path / "state")
    assert judge.tick() is not None
    stop.set()
    judge.run(stop)
    assert (tmp_path / "state" / "snapshot").stat().st_mode & 0o077 == 0
    shops.serve(5)
    shops.prometheus.asked.clear()
    again = shops.judge(tmp_path / "state")
    assert again.tick() is not None
    assert min(begin for begin, _ in shops.prometheus.asked) > shops.prometheus.now - 30
    assert "read on from the snapshot of 5 s ago" in caplog.text


def test_a_judge_that_fails_leaves_no_snapshot_for_what_was_kept_may_be_the_cause(shops, tmp_path, monkeypatch):
    stop, judge = threading.Event(), shops.judge(tmp_path)
    judge.tick()
    Snapshots(tmp_path).write(snapshot_of(judge.watch))
    monkeypatch.setattr(judge, "tick", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        judge.run(stop)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_no_snapshot_is_told_once(tmp_path, caplog):
    (tmp_path / "state").write_text("a file where the folder should be")
    snapshots = Snapshots(tmp_path / "state")
    snapshots.write(b"one")
    snapshots.write(b"two")
    assert caplog.text.count("no snapshot is written") == 1
