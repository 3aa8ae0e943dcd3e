"""Reading a Prometheus-compatible server. No data is a value of its own, never a zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

import httpx
import numpy as np
from numpy.typing import NDArray

from bascule import times
from bascule.documents import DocumentError, read_yaml
from bascule.errors import BasculeError, QueryRejected, Unreachable
from bascule.prometheus.grid import RangeGrid, parse_grid
from bascule.prometheus.matrix import Matrix, labels_of, matrix_of, parse_matrix
from bascule.prometheus.replicas import merged, merged_expression
from bascule.transport import MIB, NO_CREDENTIALS, Credentials, Http, HttpAnswer

MAX_POINTS: Final = 11_000  # Prometheus refuses a range query with more points per series


class NoData:
    """The answer of a query that matched nothing; falsy, and of a type of its own."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NO_DATA"


LARGEST: Final = 256 * MIB  # half a minute of a thousand instances is some 100 MiB
ADDRESS: Final = "check that this is the address of a Prometheus"
_CHECK = "check the selectors of the spec, and Prometheus' log"
CREDENTIALS: Final = (
    "it needs credentials: name their files under stack.access.prometheus (`bascule init --access FILE`)"
)
HAS_NO_TARGETS: Final = (404, 405, 501)
UP_TO_NOW: Final = {"nocache": "1"}  # VictoriaMetrics hides the newest 30 s from others (-search.latencyOffset)
SNAPSHOT_SECONDS: Final = 120.0
LONGEST_SECONDS: Final = 2**63 / 1e9  # a duration of Go's ends there
NO_DATA: Final = NoData()
Labels = Mapping[str, str]


def target_of(labels: Labels) -> tuple[str, str]:
    """Job and instance, empty where a series has none."""
    return labels.get("job", ""), labels.get("instance", "")


@dataclass(frozen=True)
class Sample:
    """One value of one series. `time` in Unix seconds."""

    labels: Labels
    value: float
    time: float

    @property
    def target(self) -> tuple[str, str]:
        """As target_of its labels."""
        return target_of(self.labels)


@dataclass(frozen=True, eq=False)
class Series:
    """Samples of one series in time order; `times` (n,) Unix seconds, `values` (n,)."""

    labels: Labels
    times: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class ActiveAlert:
    """An alert as Prometheus sees it."""

    name: str
    state: Literal["pending", "firing"]
    labels: Labels
    annotations: Labels
    active_at: datetime
    value: float = field(default=math.nan)


@dataclass(frozen=True)
class Target:
    """A scrape target: `health` is up, down or unknown. Times are written as Prometheus writes them, such as `1m30s`;
    empty from a server that does not say them.
    """

    job: str
    instance: str
    health: str
    last_error: str
    scrape_interval: str = ""
    scrape_timeout: str = ""


class Prometheus:
    """A client of the HTTP API. Times are Unix seconds; `timeout` in seconds, of a whole request; `within`: of all.
    `replica_label`: what tells several Prometheus with the same targets apart; their series are read as one.

    Raises Unreachable when no answer came (a retry can help), QueryRejected when the server refused the query or
    answered what no Prometheus does.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        within: float = math.inf,
        credentials: Credentials = NO_CREDENTIALS,
        replica_label: str | None = None,
    ) -> None:
        self._http = Http(
            "Prometheus",
            url,
            seconds=timeout,
            largest=LARGEST,
            within=within,
            transport=transport,
            credentials=credentials,
        )
        self.url = self._http.url
        self._asking: Mapping[str, str] = UP_TO_NOW
        self._replica_label = replica_label

    def as_stored(self) -> Prometheus:
        """A client on the same connections that reads each replica's series by themselves."""
        twin = copy(self)
        twin._replica_label = None
        return twin

    def as_others_ask(self) -> Prometheus:
        """A client on the same connections that asks as rule evaluators and dashboards do."""
        twin = copy(self)
        twin._asking = {}
        return twin

    def close(self) -> None:
        self._http.close()

    def instant(self, expression: str, at: float | None = None) -> list[Sample]:
        """The numbers of an instant vector, where native histograms are none; a scalar is one without labels."""
        data = self._query("query", query=self._merged(expression), time=at)
        with self._understood("query"):
            if data["resultType"] == "scalar":
                time, value = data["result"]
                return [Sample({}, float(value), _finite(time))]
            return [
                Sample(dict(item["metric"]), float(item["value"][1]), _finite(item["value"][0]))
                for item in data["result"]
                if "histogram" not in item
            ]

    def scalar(self, expression: str, at: float | None = None) -> float | NoData:
        """The one value of an expression; NO_DATA when there is none or it is NaN."""
        samples = self.instant(expression, at)
        if len(samples) > 1:
            raise QueryRejected(f"{expression!r} gives {len(samples)} series, but one is needed", "aggregate it")
        return samples[0].value if samples and not math.isnan(samples[0].value) else NO_DATA

    def raw(self, selector: str, seconds: float, at: float | None = None) -> list[Series]:
        """The stored samples of the last `seconds` before `at`, at their own timestamps (no interpolation)."""
        if self._replica_label:
            return [
                Series(labels_of(written), *samples) for written, *samples in self.matrix(selector, seconds, at).rows()
            ]
        data = self._query("query", query=_window(selector, seconds), time=at)
        with self._understood("query"):
            return [_series(item) for item in data["result"]]

    def matrix(self, selector: str, seconds: float, at: float | None = None) -> Matrix:
        """The same samples as arrays, for selectors of thousands of series."""
        answer = self._post("query", query=_window(selector, seconds), time=at)
        found = self._matrix("query", answer)
        return merged(found, self._replica_label) if self._replica_label else found

    def grid(self, expression: str, start: float, end: float, step: float) -> RangeGrid:
        """What `range` gives, as one array: at most MAX_POINTS a series."""
        asked: NDArray[np.float64] = start + step * np.arange(round((end - start) / step) + 1, dtype=np.float64)
        answer = self._post("query_range", query=self._merged(expression), start=start, end=end, step=step)
        grid = parse_grid(answer.body, asked) if answer.is_success else None
        return grid if grid is not None else RangeGrid.of(self._matrix("query_range", answer), asked)

    def has_samples(self, selectors: Iterable[str], seconds: float, at: float | None = None) -> bool:
        """Whether there is a sample of any selector in the `seconds` until `at`."""
        asked = (f"group(last_over_time({_window(selector, seconds)}))" for selector in selectors)
        return bool(self.instant(" or ".join(asked), at))

    def range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """An expression evaluated every `step` seconds from `start` to `end`, both included, in chunks if long."""
        parts: dict[tuple[tuple[str, str], ...], list[Series]] = {}
        for first, last in _chunks(start, end, step):
            data = self._query("query_range", query=self._merged(expression), start=first, end=last, step=step)
            with self._understood("query_range"):
                for item in data["result"]:
                    parts.setdefault(tuple(sorted(item["metric"].items())), []).append(_series(item))
        return [_joined(pieces) for pieces in parts.values()]

    def alerts(self) -> list[ActiveAlert]:
        data = self._get("alerts")
        with self._understood("alerts"):
            return _alerts(data["alerts"])

    def rules(self) -> list[dict[str, Any]]:
        """Rule groups as the API gives them: each with a `name` and `rules` that have a type, a name, a query, and as
        `alerts` the ActiveAlert of each that fires or waits to. Times are in seconds, 0 where they are not told."""
        data = self._get("rules")
        with self._understood("rules"):
            return [_group(group) for group in data["groups"]]

    def targets(self) -> list[Target]:
        """What it scrapes; of a server that is sent its samples, and knows no targets, what `up` says."""
        answer = self._http.ask("GET", "/api/v1/targets", params={"state": "active"})
        if answer.status in HAS_NO_TARGETS:
            return [_target_of(sample) for sample in self.instant("up")]
        data = self._answer(answer)
        with self._understood("targets"):
            return [_target(item) for item in data["activeTargets"]]

    def alertmanagers(self) -> list[str]:
        """The URLs of those that it sends its alerts to."""
        data = self._get("alertmanagers")
        with self._understood("alertmanagers"):
            return [_text(each["url"]).removesuffix("/api/v2/alerts") for each in data["activeAlertmanagers"]]

    def flags(self) -> dict[str, str]:
        """What it was started with. Raises QueryRejected where a server does not tell."""
        data = self._get("status/flags")
        with self._understood("flags"):
            return {_text(name): _text(value) for name, value in data.items()}

    def external_labels(self) -> Mapping[str, str]:
        """What it adds to every series that it sends elsewhere."""
        data = self._get("status/config")
        with self._understood("status/config"):
            told = _read_config(_text(data["yaml"]))["global"].get("external_labels") or {}
            return {str(name): str(value) for name, value in told.items()}

    def version(self) -> tuple[int, ...]:
        """`(2, 42, 0)`. Raises QueryRejected where a server does not tell."""
        data = self._get("status/buildinfo")
        with self._understood("buildinfo"):
            return tuple(map(int, _text(data["version"]).partition("-")[0].partition("+")[0].split(".")))

    def series_counts(self) -> dict[str, int]:
        """Names of metrics with how many series each has, the most first: the heaviest only."""
        data = self._get("status/tsdb")
        with self._understood("status/tsdb"):
            return {_text(each["name"]): int(each["value"]) for each in data["seriesCountByMetricName"]}

    def snapshot(self) -> str | None:
        """Snapshot all its data; the name of the folder, below `snapshots`. None where it is not allowed to."""
        answer = self._http.ask("POST", "/api/v1/admin/tsdb/snapshot", seconds=SNAPSHOT_SECONDS)
        if not answer.is_success:
            return None
        data = self._answer(answer)
        with self._understood("a snapshot"):
            return _text(data["name"])

    def label_values(self, label: str, selector: str | None = None) -> list[str]:
        params = {"match[]": selector} if selector else {}
        data = self._get(f"label/{label}/values", **params)
        with self._understood("label values"):
            return [_text(value) for value in _list(data)]

    def label_names(self) -> list[str]:
        data = self._get("labels")
        with self._understood("labels"):
            return [_text(name) for name in _list(data)]

    def started(self) -> float:
        """When this server started, Unix seconds."""
        data = self._get("status/runtimeinfo")
        with self._understood("runtimeinfo"):
            return times.parse(data["startTime"]).timestamp()

    def clock(self) -> float | None:
        """What its HTTP server says that it is now, Unix seconds in whole ones; None where it does not tell."""
        told = self._http.ask("GET", "/api/v1/query", params={"query": "1"}).headers.get("Date", "")
        try:
            return parsedate_to_datetime(told).timestamp()
        except (ValueError, OverflowError):
            return None

    def is_ready(self) -> bool:
        try:
            return self._http.ask("GET", "/-/ready").status == 200
        except BasculeError:
            return False

    def _merged(self, expression: str) -> str:
        return merged_expression(expression, self._replica_label) if self._replica_label else expression

    def _post(self, endpoint: str, **params: Any) -> HttpAnswer:
        return self._http.ask("POST", f"/api/v1/{endpoint}", data=_present(**self._asking, **params))

    def _matrix(self, endpoint: str, answer: HttpAnswer) -> Matrix:
        fast = parse_matrix(answer.body) if answer.is_success else None
        if fast is not None:
            return fast
        data = self._answer(answer)
        with self._understood(endpoint):
            return matrix_of(data["result"])

    def _query(self, endpoint: str, **params: Any) -> dict[str, Any]:
        data = self._answer(self._post(endpoint, **params))
        if not isinstance(data, dict):
            raise self._strange(endpoint)
        return data

    def _get(self, endpoint: str, **params: str) -> Any:
        return self._answer(self._http.ask("GET", f"/api/v1/{endpoint}", params=params))

    def _answer(self, answer: HttpAnswer) -> Any:
        try:
            body = answer.json()
        except ValueError as error:
            fix = CREDENTIALS if answer.status in (401, 403) else ADDRESS
            raise _refused(answer.status, f"{self.url} answered {answer.status} without JSON", fix) from error
        if not isinstance(body, dict) or body.get("status") not in ("success", "error"):
            raise self._strange(f"a request ({answer.status})")
        if body["status"] == "error":
            raise _refusal(answer.status, body)
        return body.get("data")

    @contextmanager
    def _understood(self, asked: str) -> Iterator[None]:
        """Anything else where a field of Prometheus' answer should be is an answer of something else."""
        try:
            yield
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._strange(asked) from error

    def _strange(self, asked: str) -> QueryRejected:
        return QueryRejected(f"{self.url} answered {asked} with unexpected JSON", ADDRESS)


def _read_config(text: str) -> Any:
    """Raises ValueError for what is not YAML, or beyond its bounds."""
    try:
        return read_yaml(text, "its configuration")
    except DocumentError as error:
        raise ValueError(str(error)) from error


def _window(selector: str, seconds: float) -> str:
    return f"{selector}[{max(1, round(seconds * 1000))}ms]"


def _present(**params: Any) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def _refusal(status: int, body: Mapping[str, Any]) -> QueryRejected | Unreachable:
    fix = CREDENTIALS if status in (401, 403) else _CHECK
    return _refused(status, f"Prometheus answered {status}: {body.get('error', 'no reason given')}", fix)


def _refused(status: int, what: str, fix: str) -> QueryRejected | Unreachable:
    """A server, or a proxy before it, that is away for a while will be back."""
    return Unreachable(what, "try again later") if status in (429, 502, 503, 504) else QueryRejected(what, fix)


def _chunks(start: float, end: float, step: float) -> Iterator[tuple[float, float]]:
    first = start
    while first <= end:
        last = min(end, first + (MAX_POINTS - 1) * step)
        yield first, last
        first = last + step


def _series(item: Mapping[str, Any]) -> Series:
    points = item.get("values", ()) if "histograms" in item else item["values"]
    times = np.array([point[0] for point in points], dtype=np.float64)
    values = np.array([float(point[1]) for point in points], dtype=np.float64)
    if not np.isfinite(times).all():
        raise ValueError("a sample at no time")
    return Series(dict(item["metric"]), times, values)


def _finite(time: Any) -> float:
    if not math.isfinite(time):
        raise ValueError(f"{time} is not a time")
    return float(time)


def _joined(pieces: list[Series]) -> Series:
    if len(pieces) == 1:
        return pieces[0]
    times = np.concatenate([piece.times for piece in pieces])
    values = np.concatenate([piece.values for piece in pieces])
    return Series(pieces[0].labels, times, values)


def _group(item: Mapping[str, Any]) -> dict[str, Any]:
    rules = [_rule(rule) for rule in item["rules"]]
    return {**item, "name": _text(item["name"]), **_seconds(item, "interval", "evaluationTime"), "rules": rules}


def _rule(item: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: _text(item[name]) for name in ("type", "name", "query")}
    labels = {_text(name): _text(value) for name, value in (item.get("labels") or {}).items()}
    times = _seconds(item, "duration", "keepFiringFor", "evaluationTime")
    return {**item, **texts, **times, "labels": labels, "alerts": _alerts(item.get("alerts"))}


def _seconds(item: Mapping[str, Any], *names: str) -> dict[str, float]:
    return {name: _duration(item.get(name) or 0.0) for name in names}


def _duration(value: Any) -> float:
    if not 0 <= float(value) <= LONGEST_SECONDS:
        raise ValueError(f"{value} is not a duration")
    return float(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _target_of(up: Sample) -> Target:
    health = "up" if up.value else "down"
    return Target(*up.target, health, "" if up.value else "its scrape fails")


def _target(item: Mapping[str, Any]) -> Target:
    labels = item["labels"]
    found = item.get("discoveredLabels") or {}  # where VictoriaMetrics has them
    times_of = (
        _text(item.get(key) or found.get(label, ""))
        for key, label in (("scrapeInterval", "__scrape_interval__"), ("scrapeTimeout", "__scrape_timeout__"))
    )
    return Target(*target_of(labels), item["health"], item["lastError"], *times_of)


def _alerts(items: Iterable[Mapping[str, Any]] | None) -> list[ActiveAlert]:
    """vmalert writes `null` for none."""
    return [_alert(item) for item in items or () if item["state"] in ("pending", "firing")]


def _alert(item: Mapping[str, Any]) -> ActiveAlert:
    labels = item["labels"]
    since = times.parse(item["activeAt"])
    return ActiveAlert(labels["alertname"], item["state"], labels, item["annotations"], since, float(item["value"]))
