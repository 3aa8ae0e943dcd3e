"""A pretended service in two versions, seeded, for tests of the judge: counters as a real one would export them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bascule.spec import Spec, parse

BOUNDS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.5)

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  shop-v1: {targets: ["127.0.0.1:8001"], version: v1}
  shop-v2: {targets: ["127.0.0.1:8002"], version: v2}
signals:
  errors:
    kind: ratio
    bad: http_requests_total{status=~"5.."}
    total: http_requests_total
    better: lower
    harmful_increase: 1pt
  latency: {kind: histogram, metric: http_request_duration_seconds, targets: {p95: 50ms}}
  accuracy:
    kind: ratio
    good: matches_total{success="True"}
    total: matches_total
    better: higher
  satisfaction: {kind: mean, sum: rating_sum, count: rating_count, better: higher, unit: stars}
segments:
  enterprise: {joins_at: 75%}
  api_partners: {}
  freemium: {}
phases:
  - {share: 10%, hold: 10s, gates: {errors: "<2%", latency.p95: "<100ms", accuracy.gain: ">0pt"}}
  - {share: 50%, hold: 10s, gates: {errors: "<2%"}}
  - {share: 100%, hold: 1d}
rollback:
  - {when: "errors > 5%", for: 20s}
  - {when: "availability < 99%", for: 8s, action: emergency}
judge: {tick: 1s, recovery: 10s, min_samples: 100}
"""


def shop_spec(text: str = SPEC) -> Spec:
    return parse(text)


@dataclass
class Shop:
    """One version's process: `rate` requests per second by segment, and how they go."""

    version: str
    seed: int
    rate: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    accuracy: float = 0.82
    latency: float = 0.02

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.restart()

    def restart(self) -> None:
        """A new process: every counter at zero."""
        self.counts: dict[str, float] = {}
        for segment in ("enterprise", "api_partners", "freemium"):
            self._serve(segment, 0)

    def serve(self, seconds: float) -> None:
        """Answer what comes in so many seconds."""
        for segment, rate in self.rate.items():
            self._serve(segment, int(self.random.poisson(rate * seconds)))

    def _serve(self, segment: str, requests: int) -> None:
        bad = self.random.binomial(requests, self.errors.get(segment, 0.0002))
        good = requests - bad
        self._add(f'http_requests_total{{%,status="500",user_segment="{segment}"}}', bad)
        self._add(f'http_requests_total{{%,status="200",user_segment="{segment}"}}', good)
        right = self.random.binomial(good, self.accuracy)
        self._add(f'matches_total{{%,success="True",user_segment="{segment}"}}', right)
        self._add(f'matches_total{{%,success="False",user_segment="{segment}"}}', good - right)
        times = self.random.lognormal(np.log(self.latency), 0.3, requests)
        for bound in BOUNDS:
            name = f'http_request_duration_seconds_bucket{{%,user_segment="{segment}",le="{bound}"}}'
            self._add(name, (times <= bound).sum())
        self._add(f'http_request_duration_seconds_bucket{{%,user_segment="{segment}",le="+Inf"}}', requests)
        self._add(f'http_request_duration_seconds_count{{%,user_segment="{segment}"}}', requests)
        self._add(f'http_request_duration_seconds_sum{{%,user_segment="{segment}"}}', times.sum())
        stars = self.random.choice([3, 4, 5], self.random.binomial(good, 0.3), p=[0.1, 0.4, 0.5])
        for bound in (1, 2, 3, 4, 5):
            self._add(f'rating_bucket{{%,user_segment="{segment}",le="{bound}.0"}}', (stars <= bound).sum())
        self._add(f'rating_bucket{{%,user_segment="{segment}",le="+Inf"}}', len(stars))
        self._add(f'rating_count{{%,user_segment="{segment}"}}', len(stars))
        self._add(f'rating_sum{{%,user_segment="{segment}"}}', stars.sum())

    def _add(self, series: str, amount: float) -> None:
        name = series.replace("%", f'version="{self.version}"')
        self.counts[name] = self.counts.get(name, 0.0) + float(amount)

    def text(self) -> str:
        return "".join(f"{name} {value}\n" for name, value in self.counts.items())


def plan_text(number: int, started: float, shares: dict[str, float]) -> str:
    """What the incidents role exports."""
    lines = [f"bascule_phase {number}\n", f"bascule_phase_started_timestamp_seconds {started}\n"]
    lines += [f'bascule_planned_share_ratio{{user_segment="{name}"}} {share}\n' for name, share in shares.items()]
    return "".join(lines)


class Running:
    """Shops that serve in real time; `show` gets each one's page."""

    def __init__(self, shops: list[Shop], show: Callable[[Shop, str], None]) -> None:
        self.shops, self._show = shops, show
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.05):
            now = time.monotonic()
            for shop in self.shops:
                shop.serve(now - last)
                self._show(shop, shop.text())
            last = now
