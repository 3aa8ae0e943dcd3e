"""Counting answered requests: one dictionary look-up per request once a label set is known."""

from __future__ import annotations

from collections.abc import Callable

from bascule.conventions import (
    CLIENT_GAVE_UP,
    CLIENT_LEFT,
    ENDPOINT,
    HTTP_DURATION,
    HTTP_LEFT,
    HTTP_REQUESTS,
    METHOD,
    PARTNER,
    SEGMENT,
    STATUS,
    VERSION,
)
from bascule.instrument.core import ZERO_STATUSES, Core
from bascule.instrument.describe import Describe, Key
from bascule.instrument.multiprocess import directory
from bascule.instrument.series import LeftSeries, RequestSeries, WaitingSeries

FAILED = "500"
IMPLIED_METHODS = frozenset({"HEAD", "OPTIONS"})  # frameworks add them to routes; they need not exist at zero

AdmitEndpoint = Callable[[str], str]


class Requests:
    """Records requests of one application. Keys hold raw values; what they are recorded as is decided once."""

    def __init__(self, core: Core, describe: Describe, admit_endpoint: AdmitEndpoint) -> None:
        self._core = core
        self.describe = describe
        self._admit_endpoint = admit_endpoint
        self._patience = core.config.patience
        self._series: dict[Key, RequestSeries] = {}
        self._make_series = WaitingSeries if directory() is None else RequestSeries

    def left(self, waited: float) -> str:
        """The status of a request whose client left before the answer's end; it had got nothing for so many seconds."""
        return CLIENT_LEFT if waited < self._patience else CLIENT_GAVE_UP

    def record(self, key: Key, seconds: float, trace_id: str = "") -> None:
        """Count one request. With a trace id, it is kept as the exemplar of the duration's bucket."""
        try:
            series = self._series.get(key) or self._resolve(key)
            if trace_id:
                series.add_traced(seconds, trace_id)
            else:
                series.add(seconds)
        except Exception as error:  # noqa: BLE001 - counting must not fail a request; it is counted
            self._core.problems.note("request", error)

    def _resolve(self, key: Key) -> RequestSeries:
        found = tuple(text.decode("latin-1") if isinstance(text, bytes) else text for text in key)
        admitted = self._admit(*found)
        version, endpoint, method, status, segment, partner = admitted
        requests, durations = self._core.families[HTTP_REQUESTS], self._core.families[HTTP_DURATION]
        for each in ZERO_STATUSES:  # a label set's first error is an increase from zero
            requests.labels(version, endpoint, method, each, segment, partner)
        if status == CLIENT_LEFT:
            return self._left_series(key, admitted == found, (version, endpoint, method, segment))
        children = requests.labels(*admitted), durations.labels(version, endpoint, method, segment)
        if admitted != found:  # the key is capped or unknown, and counted as such each time
            return RequestSeries(*children)
        series = self._series[key] = self._make_series(*children)
        requests.series.append(series)
        return series

    def _left_series(self, key: Key, is_known: bool, labels: tuple[str, ...]) -> RequestSeries:
        series = LeftSeries(self._core.families[HTTP_LEFT].labels(*labels))
        if is_known:
            self._series[key] = series
        return series

    def _admit(
        self, version: str, endpoint: str, method: str, status: str, segment: str, partner: str
    ) -> tuple[str, ...]:
        admit, metric = self._core.labels.admit, HTTP_REQUESTS.name
        return (
            admit(metric, VERSION, version),
            self._admit_endpoint(endpoint),
            admit(metric, METHOD, method),
            admit(metric, STATUS, status),
            admit(metric, SEGMENT, segment),
            admit(metric, PARTNER, partner),
        )


def trusting(core: Core) -> AdmitEndpoint:
    """For route templates: the application's code holds a fixed number of them."""

    def admit(endpoint: str) -> str:
        core.labels.declare(ENDPOINT, (endpoint,))
        return endpoint

    return admit


def guarded(core: Core) -> AdmitEndpoint:
    """For endpoints that a callable made up from the request."""
    return lambda endpoint: core.labels.admit(HTTP_REQUESTS.name, ENDPOINT, endpoint)
