"""What well-known libraries and proxies expose, as data: each file of this folder is one of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict

__all__ = ["Preset", "preset_of", "presets"]


class Preset(BaseModel):
    """`found_by`: a metric that nothing else exposes. `requests`: the counter of requests by their status, which stands
    in the label `status`; `bad`: a pattern of its values that are failures. `latency`: the histogram of the times to
    answer, without suffix, in `unit`. `route`: the label that tells requests apart. `caveats`: what its figures do not
    say. Empty is what it does not have.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    found_by: str
    requests: str = ""
    total: str = ""  # another counter of all requests, where `requests` counts them by status only
    status: str = ""
    bad: str = "5.."
    latency: str = ""
    unit: str = "seconds"
    route: str = ""
    version: str = ""  # the label in which the versions stand, where the thing itself has one
    caveats: tuple[str, ...] = ()


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset, by the names of their files."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".yaml")]
    texts = [file.read_text("utf-8") for file in sorted(files, key=lambda file: file.name)]
    return tuple(Preset.model_validate(yaml.safe_load(text)) for text in texts)


def preset_of(names: Iterable[str]) -> Preset | None:
    """The first preset whose own metric is among the names."""
    there = set(names)
    return next((preset for preset in presets() if preset.found_by in there), None)
