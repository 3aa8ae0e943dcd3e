"""What well-known libraries and proxies expose, as data: each file of this folder is one of them.

A service names one as `preset: FILE`, and `bascule init` finds most by what they expose.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict

from bascule.documents import read_yaml

__all__ = ["NO_USERS", "Preset", "preset_named", "preset_of", "presets"]

# Routes that no user asks for: health checks and scrapes.
NO_USERS = (
    "/?(.*[/-])?(health[a-z]*|live(ness|z)?|ready(z|ness)?|ping|metrics|django-metrics|prometheus|actuator(/.*)?)/?"
)


class Preset(BaseModel):
    """`name`: of its file. `found_by`: a metric that nothing else exposes. `requests`: the counter of requests by their
    status, which is in the label `status`; `bad`: a pattern of its values that are failures. `latency`: the
    histogram of the times to answer, without suffix, in `unit`. `route`: the label that tells requests apart. `left`:
    the status of a request whose client left before its answer, which is no event. `only`: matchers of the series that
    count a request once. `caveats`: what its figures do not say. `buckets`: how it is made to keep a histogram, where
    it does not by itself. `raw`: names of a form in which it cannot be used, and `mapped`: what to do then. Empty is
    what it does not have.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    found_by: str = ""
    requests: str = ""
    total: str = ""  # another counter of all requests, where `requests` counts them by status only
    status: str = ""
    bad: str = "5.."
    left: str = ""
    latency: str = ""
    unit: str = "seconds"
    route: str = ""
    version: str = ""  # the label in which the versions are, where the thing itself has one
    caveats: tuple[str, ...] = ()
    only: str = ""
    buckets: str = ""
    raw: str = ""
    mapped: str = ""

    def is_told_by(self, there: Mapping[str, Collection[str]]) -> bool:
        return self.status in there.get(self.requests, (self.status,))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names that say that it is there, and that count."""
        return self.requests, self.total, f"{self.latency}_count", self.found_by

    @property
    def signals(self) -> dict[str, dict[str, Any]]:
        """The signals that a spec has by it, without health checks and scrapes as far as they can be told."""
        users = ",".join(filter(None, (self.only, f'{self.route}!~"{NO_USERS}"' if self.route else "")))
        found: dict[str, dict[str, Any]] = {}
        if self.requests:
            counted = "" if self.total else users
            failed = ",".join(filter(None, (f'{self.status}=~"{self.bad}"', counted)))
            answered = ",".join(filter(None, (f'{self.status}!="{self.left}"' if self.left else "", counted)))
            total = self.total or f"{self.requests}{{{answered}}}"
            bad = f"{self.requests}{{{failed}}}"
            found["errors"] = {"kind": "ratio", "bad": bad, "total": total, "better": "lower"}
        if self.latency:
            found["latency"] = {"kind": "histogram", "metric": f"{self.latency}{{{users}}}", "unit": self.unit}
        return found


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset, by the names of their files."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".yaml")]
    read = [(file.name.removesuffix(".yaml"), read_yaml(file.read_text("utf-8"), file.name)) for file in files]
    return tuple(Preset(name=name, **keys) for name, keys in sorted(read, key=lambda each: each[0]))


def preset_named(name: str) -> Preset | None:
    return next((preset for preset in presets() if preset.name == name), None)


def preset_of(there: Mapping[str, Collection[str]]) -> Preset | None:
    """The first preset whose own metric is among these, which are given with their labels.

    Others may use the same names: where its counter has no label of the status, it is another thing.
    """
    return next((preset for preset in presets() if preset.found_by in there and preset.is_told_by(there)), None)
