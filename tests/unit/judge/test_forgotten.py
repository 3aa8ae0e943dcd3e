"""History from another world is forgotten when somebody says so; what fires stays."""

from __future__ import annotations

import pytest

from bascule.errors import UsageError
from bascule.judge import DroppedHistory, LiveJudge, PlanStep, VerdictBoard, forget, forgotten

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}


class Shops:
    """Two shops that a pretended Prometheus scrapes, and a judge of them."""

    def __init__(self, house, world, folder) -> None:
        spec = house.shop_spec()
        self.spec = spec.model_copy(update={"stack": spec.stack.model_copy(update={"state": folder})})
        self.prometheus = world.PretendPrometheus(now=START - 60, plan=PlanStep(2, START, HALF))
        self.shops = [house.Shop(version, number, dict(world.RATES)) for number, version in enumerate(("v1", "v2"))]
        self.board = VerdictBoard(self.spec)
        self.judge = LiveJudge(self.spec, self.prometheus, (), self.board.publish)

    def serve(self, seconds: int, baseline: float, candidate: float) -> None:
        for shop, bad in zip(self.shops, (baseline, candidate), strict=True):
            shop.errors = dict.fromkeys(shop.rate, bad)
        for _ in range(seconds):
            self.prometheus.now += 1
            for shop in self.shops:
                shop.serve(1.0)
                target = {"job": f"shop-{shop.version}", "instance": shop.version}
                self.prometheus.add(self.prometheus.now, shop.text() + "up 1\n", **target)

    def forget(self, before: float) -> None:
        forget(self.spec, DroppedHistory(before, "ada", "v1 was broken", self.prometheus.now))

    @property
    def rate(self) -> float:
        """V1's error ratio, as the history has it."""
        engine = self.judge.watch.engine
        pair = engine.schema.pairs_of(("errors", "freemium"))[0]
        return float(engine.history.rate[engine.schema.layout.strata_of(pair)].max())


@pytest.fixture
def shops(house, world, tmp_path) -> Shops:
    return Shops(house, world, tmp_path)


def test_a_broken_baseline_is_no_measure_once_it_is_forgotten(shops):
    shops.serve(45, baseline=0.5, candidate=0.0)
    shops.serve(35, baseline=0.0, candidate=0.0)
    shops.judge.tick()
    assert shops.rate > 0.1
    shops.forget(START - 10)
    shops.judge.tick()
    assert shops.rate < 0.05
    history = shops.board.verdict()["history"]
    assert history["forgotten"]["who"] == "ada"
    assert history["forgotten"]["at"] >= history["forgotten"]["before"]
    assert history["from"] >= history["forgotten"]["before"]
    shops.serve(5, baseline=0.0, candidate=0.0)
    shops.judge.tick()
    assert shops.rate < 0.05


def test_an_alarm_that_fires_stays(shops):
    shops.serve(65, baseline=0.0, candidate=0.0)
    shops.serve(20, baseline=0.0, candidate=0.3)
    shops.judge.tick()
    assert ("errors", "all") in shops.judge.watch.engine.standing
    shops.forget(shops.prometheus.now)
    shops.judge.tick()
    assert ("errors", "all") in shops.judge.watch.engine.standing


def test_a_judge_that_starts_later_forgets_the_same(shops):
    shops.serve(45, baseline=0.5, candidate=0.0)
    shops.serve(35, baseline=0.0, candidate=0.0)
    shops.forget(START - 10)
    shops.judge.tick()
    assert shops.rate < 0.05


def test_the_last_word_counts_and_a_torn_line_is_none(shops):
    assert forgotten(shops.spec) is None
    shops.forget(START - 70)
    shops.forget(START - 65)
    with (shops.spec.stack.state / "judge" / "forgotten.jsonl").open("a") as file:
        file.write('{"before": 1')
    assert forgotten(shops.spec).before == START - 65


@pytest.mark.parametrize(("before", "who"), [(START, "ada"), (START - 90, " ")])
def test_the_future_is_not_forgotten_and_somebody_says_why(shops, before, who):
    with pytest.raises(UsageError):
        forget(shops.spec, DroppedHistory(before, who, "why", START - 60))
    assert forgotten(shops.spec) is None
