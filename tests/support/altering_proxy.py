"""A proxy before a real engine that alters what it answers: drops, moves, thins, cuts or refuses samples."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from served import Quiet, served

Asked = dict[str, list[str]]
Series = list[dict[str, Any]]


class Refused(Exception):
    """What is answered instead, with this status."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class Alteration:
    """None: what a request asks and is answered, unchanged."""

    def asked(self, parameters: Asked) -> Asked:
        return parameters

    def answered(self, result: Series) -> Series:
        """The series of a matrix or a vector."""
        return result


class DropsTheNewest(Alteration):
    """Samples of the last `seconds` are in no answer of a range selector."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def answered(self, result: Series) -> Series:
        until = time.time() - self.seconds
        return _kept(result, lambda points: [point for point in points if point[0] <= until])


class AnswersThePast(Alteration):
    """Nothing is evaluated later than `seconds` ago."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def asked(self, parameters: Asked) -> Asked:
        latest = time.time() - self.seconds
        return parameters | {"time": [str(min(latest, float(parameters.get("time", [latest])[0])))]}


class Deduplicates(Alteration):
    """Of the samples of a series, the last of each `seconds` is left, wherever they are returned."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def answered(self, result: Series) -> Series:
        return _kept(result, lambda points: list({point[0] // self.seconds: point for point in points}.values()))


class Interpolates(Alteration):
    """A sample each second before the moment that is asked for."""

    def __init__(self) -> None:
        self.end = 0.0

    def asked(self, parameters: Asked) -> Asked:
        self.end = float(parameters.get("time", ["0"])[0])
        return parameters

    def answered(self, result: Series) -> Series:
        return _kept(result, lambda points: [[self.end - back, point[1]] for back, point in _backwards(points)])


class Limits(Alteration):
    """Answers of more samples are refused with a status, or cut where there is none."""

    def __init__(self, most: int, status: int | None = None) -> None:
        self.most, self.status = most, status

    def answered(self, result: Series) -> Series:
        there = sum(len(each.get("values", ())) for each in result)
        if there > self.most and self.status is not None:
            raise Refused(self.status, "the query hit the limit of samples")
        left = self.most
        cut = []
        for each in result:
            cut.append({**each, "values": each["values"][:left]} if "values" in each else each)
            left = max(0, left - len(each.get("values", ())))
        return [each for each in cut if each.get("values") or "value" in each]


class LosesASeries(Alteration):
    """The last series of each answer with several."""

    def answered(self, result: Series) -> Series:
        return result[:-1] if len(result) > 1 else result


class AddsAReplica(Alteration):
    """Each series of `up` comes twice, as of two Prometheus."""

    def answered(self, result: Series) -> Series:
        doubled = [each for each in result if each["metric"].get("__name__") == "up"]
        return [
            {**each, "metric": {**each["metric"], "replica": name}} for each in doubled for name in ("a", "b")
        ] or result


@contextlib.contextmanager
def altered(upstream: str, alteration: Alteration) -> Iterator[str]:
    """Its URL."""

    class Handler(Quiet):
        def do_GET(self) -> None:
            self._handed_on(None)

        def do_POST(self) -> None:
            asked = urllib.parse.parse_qs(self.posted().decode())
            if self.path.endswith("/query"):
                asked = alteration.asked(asked)
            self._handed_on(urllib.parse.urlencode(asked, doseq=True).encode())

        def _handed_on(self, body: bytes | None) -> None:
            try:
                with urllib.request.urlopen(urllib.request.Request(upstream + self.path, body), timeout=30) as found:
                    self.answer(found.status, _with(alteration, found.read()))
            except urllib.error.HTTPError as error:
                self.answer(error.code, error.read())
            except Refused as refused:
                self.answer(refused.status, json.dumps({"status": "error", "error": str(refused)}).encode())

    with served(Handler) as address:
        yield f"http://{address}"


def _with(alteration: Alteration, body: bytes) -> bytes:
    answer = json.loads(body)
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") not in ("matrix", "vector"):
        return body
    data["result"] = alteration.answered(data["result"])
    return json.dumps(answer).encode()


def _kept(result: Series, keep: Callable[[list[Any]], list[Any]]) -> Series:
    kept = [{**each, "values": keep(each["values"])} if "values" in each else each for each in result]
    return [each for each in kept if each.get("values") or "value" in each]


def _backwards(points: list[Any]) -> Iterator[tuple[int, Any]]:
    return ((len(points) - 1 - number, point) for number, point in enumerate(points))
