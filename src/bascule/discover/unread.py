"""What a server holds and Bascule does not read: native histograms, names that PromQL must quote or hold a status."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bascule.discover.requests import is_of_times
from bascule.errors import QueryRejected
from bascule.prometheus import Prometheus
from bascule.spec import Matcher, Selector
from bascule.spec.presets import presets
from bascule.spec.selector import is_name, needs_quotes

_SUFFIXES = ("_bucket", "_count", "_sum")
_KEEPS_BOTH = (  # since which version, and how a scrape job says it
    ((3, 0), "always_scrape_classic_histograms"),
    ((2, 45), "scrape_classic_histograms"),
)


def unread(prometheus: Prometheus, where: Sequence[Matcher]) -> Iterator[str]:
    """What it holds of the services that no spec can name, each with the next step. Raises Unreachable."""
    held = prometheus.label_values("__name__")
    for kind, names in (("metric", held), ("label", prometheus.label_names())):
        if quoted := [name for name in names if not is_name(name)]:
            yield f"names of {len(quoted)} {kind}s: {needs_quotes(quoted[0])}"
    for preset in presets():
        if raw := next((name for name in held if preset.raw and re.fullmatch(preset.raw, name)), ""):
            yield f"{raw}: {preset.mapped}"
    for name in filter(is_name, held):
        is_whole = not name.endswith(_SUFFIXES) and f"{name}_bucket" not in held
        if is_whole and is_of_times(name) and _is_native(prometheus, Selector(name).where(*where)):
            yield native_text(prometheus, name)


def native_of(prometheus: Prometheus, selector: Selector) -> str:
    """The native histogram that a selector picks, or picks a part of; empty where it picks none."""
    metric = selector.metric
    base = next((metric.removesuffix(end) for end in _SUFFIXES if metric.endswith(end)), metric)
    return next((name for name in dict.fromkeys((metric, base)) if _is_native(prometheus, selector.named(name))), "")


def _is_native(prometheus: Prometheus, selector: Selector) -> bool:
    try:
        return bool(prometheus.instant(f"count(histogram_count({selector}))"))
    except QueryRejected:  # a server that has none
        return False


def native_text(prometheus: Prometheus, name: str) -> str:
    """Why it cannot be counted, and what to do with this server."""
    return f"{name} is a native histogram here, and Bascule reads classic buckets: {_what_to_do(prometheus)}"


def _what_to_do(prometheus: Prometheus) -> str:
    try:
        version = prometheus.version()
    except QueryRejected:
        return "let the server keep the classic buckets, too"
    for since, key in _KEEPS_BOTH:
        if version >= since:
            return f"write `{key}: true` into its scrape job; if its library makes none, give it bucket bounds there"
    told = ".".join(map(str, version))
    return f"Prometheus {told} cannot keep both: start it without --enable-feature=native-histograms, or update it"
