"""Recording what a service did: matches, ratings, fallbacks, cache, formats, quotas.

No call here raises: what cannot be recorded is counted in `bascule_instrument_problems_total` and logged once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from bascule import conventions as c
from bascule.instrument.core import Core

P = ParamSpec("P")
Children = tuple[Any, ...]
LARGEST_VALUE = 1e100  # its square is still a number


def _never_raises(
    method: Callable[Concatenate[Recorder, P], None],
) -> Callable[Concatenate[Recorder, P], None]:
    @wraps(method)
    def guarded(self: Recorder, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - counting must not break the service; it is counted
            self._core.problems.note(method.__name__, error)

    return guarded


class Recorder:
    """The events of one service; label children are looked up once per label set."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._children: dict[tuple[Hashable, ...], Children] = {}

    @_never_raises
    def record_match_result(
        self,
        version: str,
        algorithm: str,
        user_segment: str,
        accuracy: float,
        success: bool,
        value: float | None = None,
    ) -> None:
        """One match. `accuracy` is its score, 0 to 1; `value` what it is worth if it succeeded."""
        success = bool(success)
        key = (version, algorithm, user_segment, success)
        score, matches, worth, worth_squared = self._known(key) or self._match_children(key)
        matches.inc()
        if self._within(accuracy, 0.0, 1.0, "bad_accuracy"):
            score.observe(accuracy)
        if success and value is not None and self._within(value, 0.0, LARGEST_VALUE, "bad_value"):
            worth.inc(value)
            worth_squared.inc(value * value)

    def _match_children(self, key: tuple[str, str, str, bool]) -> Children:
        version, algorithm, segment, success = key
        families = self._core.families
        admitted = self._admit(c.MATCHES_TOTAL, (version, algorithm, str(success), segment))
        version, algorithm, _, segment = admitted
        children = (
            families[c.MATCH_ACCURACY].labels(version, algorithm, segment),
            families[c.MATCHES_TOTAL].labels(*admitted),
            families[c.MATCH_VALUE].labels(version, segment),
            families[c.MATCH_VALUE_SQUARED].labels(version, segment),
        )
        if (version, algorithm, segment, success) == key:
            self._children[key] = children
        return children

    @_never_raises
    def record_rating(self, version: str, user_segment: str, stars: float) -> None:
        """One rating by a user, 1 to 5 stars."""
        if self._within(stars, 1.0, 5.0, "bad_rating"):
            self._one(c.USER_RATING, version, user_segment).observe(stars)

    @_never_raises
    def record_fallback(self, version: str, endpoint: str, user_segment: str) -> None:
        """One answer given by the emergency fallback."""
        self._one(c.FALLBACK_ANSWERS, version, endpoint, user_segment).inc()

    @_never_raises
    def record_cache(self, version: str, hit: bool) -> None:
        """One look-up in the cache."""
        self._one(c.CACHE_REQUESTS, version, "hit" if hit else "miss").inc()

    @_never_raises
    def record_format_check(self, version: str, partner: str, compatible: bool) -> None:
        """One answer checked against a partner's format."""
        self._one(c.FORMAT_CHECKS, version, partner, str(bool(compatible))).inc()

    @_never_raises
    def record_rate_limit(self, version: str, user_segment: str, partner: str, allowed: bool) -> None:
        """One request counted against a quota."""
        self._one(c.RATE_LIMIT_REQUESTS, version, user_segment, partner, "allowed" if allowed else "refused").inc()

    @_never_raises
    def set_active_users(self, version: str, user_type: str, users: float) -> None:
        """How many users are active in this process; workers are summed."""
        if self._within(users, 0.0, LARGEST_VALUE, "bad_active_users"):
            self._one(c.ACTIVE_USERS, version, user_type).set(users)

    @_never_raises
    def update_traffic_split(self, v1_requests: float, v2_requests: float) -> None:
        """The share of each version; without traffic there is none, rather than the last one for ever."""
        total = v1_requests + v2_requests
        split = self._core.families[c.TRAFFIC_SPLIT]
        for version, requests in (("v1", v1_requests), ("v2", v2_requests)):
            split.labels(version).set(requests / total if total > 0 else math.nan)

    def _one(self, metric: c.Metric, *values: str) -> Any:
        """The child of these label values, looked up once; what is not recorded as given is never kept."""
        known = self._known((metric, *values))
        if known is not None:
            return known[0]
        admitted = self._admit(metric, values)
        child = self._core.families[metric].labels(*admitted)
        if admitted == values:
            self._children[metric, *values] = (child,)
        return child

    def _known(self, key: tuple[Hashable, ...]) -> Children | None:
        try:
            return self._children.get(key)
        except TypeError:  # a list or dictionary where a label value belongs
            return None

    def _admit(self, metric: c.Metric, values: tuple[str, ...]) -> tuple[str, ...]:
        admit = self._core.labels.admit
        return tuple(admit(metric.name, label, value) for label, value in zip(metric.labels, values, strict=True))

    def _within(self, number: float, lowest: float, highest: float, reason: str) -> bool:
        try:
            if lowest <= number <= highest:  # never true of NaN
                return True
        except TypeError:
            pass
        self._core.problems.note(reason, number)
        return False
