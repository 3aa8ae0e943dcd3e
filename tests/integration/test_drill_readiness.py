"""A drill waits until the rule that is to find its fault can."""

from __future__ import annotations

import threading
import time

import httpx
import pytest
import remote_write

from bascule.conventions import Recorded
from bascule.prometheus import Prometheus
from bascule.scenarios.faults.share_off_plan import ShareOffPlan
from bascule.scenarios.house import Watched
from bascule.spec import load

pytestmark = pytest.mark.integration
STEP_SECONDS, WATCHED_SECONDS = 15, 900


@pytest.mark.parametrize(("changed", "is_ready"), [(400, True), (200, False), (None, True)])
def test_a_share_goes_off_the_plan_once_the_plan_has_been_the_same_for_five_minutes(prometheus, changed, is_ready):
    """Seconds since the plan changed: the rule excuses five minutes of them."""
    prometheus.write(lambda ago: 0.5 if changed is None or ago < changed else 0.75)
    assert (prometheus.awaited() == "") == is_ready


def test_a_plan_that_is_not_known_for_five_minutes_is_waited_for(prometheus):
    assert "five minutes without a change of the plan" in prometheus.awaited()
    prometheus.write(lambda ago: 0.5, watched=200)
    assert "five minutes without a change of the plan" in prometheus.awaited()


@pytest.fixture
def prometheus(start_prometheus):
    return Recording(start_prometheus(config="global: {scrape_interval: 1h}\n").url)


class Recording:
    """A Prometheus that is sent the planned share as its rule records it."""

    def __init__(self, url):
        self.url = url
        self.house = Watched(load("supersmartmatch"), threading.Event())
        self.house.prometheus = Prometheus(url)

    def write(self, planned, watched=WATCHED_SECONDS):
        now = time.time()
        samples = [(now - ago, planned(ago)) for ago in range(watched, -1, -STEP_SECONDS)]
        series = {"__name__": Recorded.PLANNED_BY_SEGMENT, "user_segment": "freemium"}
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        body = remote_write.request([(series, samples)])
        httpx.post(f"{self.url}/api/v1/write", content=body, headers=headers).raise_for_status()

    def awaited(self):
        return ShareOffPlan().awaits(self.house)
