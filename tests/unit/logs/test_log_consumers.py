"""Distinct consumers and retention against exact answers."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

from bascule.conventions import State
from bascule.logs import Consumers

DAY = 86_400
NOW = 20_600 * DAY + 12 * 3600.0


def users(version: str, ids: list[str], days_ago: float) -> pa.Table:
    moment = pa.scalar(int((NOW - days_ago * DAY) * 1e6), pa.timestamp("us", "UTC"))
    return pa.table({"user_id": ids, "version": [version] * len(ids), "timestamp": [moment] * len(ids)})


def history(consumers: Consumers, seed: int, people: int) -> dict[tuple[str, int], set[str]]:
    """Sixty days of two versions; the exact users of each version and day."""
    chance = random.Random(seed)
    exact: dict[tuple[str, int], set[str]] = {}
    for day in range(60):
        for version, share in (("v1", 0.3), ("v2", 0.1 if day < 40 else 0.0)):
            ids = [f"{n:x}" for n in range(people) if chance.random() < share * (0.2 if n % 3 else 1.0)]
            consumers.add(users(version, ids, day), NOW)
            exact[version, day] = set(ids)
    return exact


def joined(exact: dict[tuple[str, int], set[str]], versions: tuple[str, ...], days: range) -> set[str]:
    return set().union(*(exact[version, day] for version in versions for day in days))


@pytest.mark.parametrize("people", [2_000, 60_000])
def test_consumers_and_retention_are_exact_below_65000_users(tmp_path: Path, people):
    """30 days against the 30 before, 7 against 7; v2 is only 40 days old, which two windows of 30 are not."""
    consumers = Consumers(tmp_path / "c")
    exact = history(consumers, seed=1, people=people)
    counts = {(version, window): number for version, window, number in consumers.counts(NOW)}
    kept = {(figure.version, figure.window): figure for figure in consumers.retention(NOW)}
    for version in ("v1", "v2"):
        assert counts[version, "30d"] == pytest.approx(len(joined(exact, (version,), range(30))))
        for window, days in (("7d", 7), ("30d", 30)):
            before = joined(exact, (version,), range(days, 2 * days))
            back = before & joined(exact, ("v1", "v2"), range(days))
            figure = kept[version, window]
            if (version, window) == ("v2", "30d"):
                assert figure.state == State.NOT_APPLICABLE
                continue
            assert figure.value == pytest.approx(len(back) / len(before))


def test_consumers_and_retention_are_within_two_percent_of_150000_users_a_day(tmp_path: Path):
    """Seven days against the seven before; each day 20,000 users are new and as many stay away."""
    consumers = Consumers(tmp_path / "c")
    for day in range(14):
        first = (13 - day) * 20_000
        consumers.add(users("v1", [f"{n:x}" for n in range(first, first + 150_000)], day), NOW)
    counts = {window: number for _, window, number in consumers.counts(NOW)}
    assert counts["24h"] == pytest.approx(150_000, rel=0.02)
    assert counts["30d"] == pytest.approx(150_000 + 13 * 20_000, rel=0.02)
    (kept,) = [figure.value for figure in consumers.retention(NOW) if figure.window == "7d"]
    before, back = 150_000 + 6 * 20_000, 150_000 - 20_000  # up to user 270,000; the later week begins at 140,000
    assert kept == pytest.approx(back / before, rel=0.02)


def test_retention_is_not_applicable_until_the_version_is_as_old_as_two_windows(tmp_path: Path):
    """And no data is a state of its own."""
    consumers = Consumers(tmp_path / "c")
    consumers.add(users("v2", ["a"], 13), NOW)
    consumers.add(users("v1", ["a", "b"], 59), NOW)
    kept = {(figure.version, figure.window): figure for figure in consumers.retention(NOW)}
    assert kept["v2", "30d"].state == State.NOT_APPLICABLE
    assert kept["v2", "7d"].value == 0.0
    assert kept["v1", "7d"].state == State.NO_DATA
    assert kept["v1", "30d"].value == 0.5, "a moved to v2 and is kept"


def test_identical_habits_give_identical_retention_or_none(tmp_path: Path):
    """A version of 32 days has two days before the last thirty: with frequent users alone it kept .83 beside .67."""
    consumers = Consumers(tmp_path / "c")
    for version, age in (("v1", 60), ("v2", 32)):
        for day in range(age):
            habit = [f"{version}{n:x}" for n in range(600) if n % 3 == 0 or (n * 7 + day) % 45 == 0]
            consumers.add(users(version, habit, day), NOW)
    kept = {figure.version: figure for figure in consumers.retention(NOW) if figure.window == "30d"}
    assert (kept["v1"].state, kept["v2"].state) == (State.OK, State.NOT_APPLICABLE)
    week = {figure.version: figure.value for figure in consumers.retention(NOW) if figure.window == "7d"}
    assert week["v1"] == pytest.approx(week["v2"], abs=0.01)


def test_sketches_come_back_from_disk_and_a_damaged_file_starts_anew(tmp_path: Path):
    """Made of the store, they can be made again."""
    path = tmp_path / "c"
    consumers = Consumers(path, last=7)
    consumers.add(users("v1", ["a", "b"], 0), NOW)
    consumers.save()
    loaded = Consumers.load(path)
    assert list(loaded.counts(NOW)) == list(consumers.counts(NOW)) == [("v1", w, 2) for w in ("1h", "24h", "30d")]
    assert loaded.last == 7
    path.write_bytes(b"x")
    assert Consumers.load(path).last == 0


def test_windows_slide(tmp_path: Path):
    """An hour is twelve times five minutes."""
    consumers = Consumers(tmp_path / "c")
    consumers.add(users("v1", ["a"], 0.5 / 24), NOW)
    consumers.add(users("v1", ["b"], 2 / 24), NOW)
    consumers.add(users("v1", ["c"], 3), NOW)
    assert [number for _, _, number in consumers.counts(NOW)] == [1, 2, 3]
