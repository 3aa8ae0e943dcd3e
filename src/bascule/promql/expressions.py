"""From the spec's selectors to PromQL with one canonical set of labels: `version`, `user_segment`.

However a spec tells its versions apart (a label of any name, or matchers of their own), every recorded series carries
`version="<name in the spec>"` and, where there are segments, `user_segment`.
"""

from __future__ import annotations

from bascule import conventions as names
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.signals import GaugeSignal, HistogramSignal, Signal

WINDOW = "5m"  # the source document's
WINDOW_SECONDS = 300


def indent(text: str, by: int = 2) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


def canonical_rate(spec: Spec, selector: Selector, window: str = WINDOW) -> str:
    """The per-second rate of a counter, for both versions, under the canonical labels."""
    return _canonical_segment(spec, _canonical_version(spec, selector, f"rate({{}}[{window}])"))


def canonical_level(spec: Spec, selector: Selector) -> str:
    """A gauge as it is, for both versions, under the canonical labels."""
    return _canonical_segment(spec, _canonical_version(spec, selector, "{}"))


def _canonical_version(spec: Spec, selector: Selector, template: str) -> str:
    versions = spec.versions
    if versions.select is not None:
        each = [
            f'label_replace({template.format(selector.where(*versions.matchers(v)))}, "version", "{v}", "", "")'
            for v in versions.both
        ]
        return " or ".join(each)
    label = versions.label or names.VERSION
    inner = template.format(selector.where(Matcher(label, "=~", "|".join(versions.both))))
    return inner if label == names.VERSION else f'label_replace({inner}, "version", "$1", "{label}", "(.+)")'


def _canonical_segment(spec: Spec, inner: str) -> str:
    label = spec.segments.label
    if label == names.SEGMENT or not spec.segments.named:
        return inner
    return f'label_replace({inner}, "{names.SEGMENT}", "$1", "{label}", "(.+)")'


def strata(spec: Spec, signal: Signal) -> tuple[str, ...]:
    """The labels within which the two versions are compared, by their canonical names."""
    canonical = (names.SEGMENT if label == spec.segments.label else label for label in signal.strata)
    return tuple(dict.fromkeys(label for label in canonical if spec.segments.named or label != names.SEGMENT))


def events(signal: Signal) -> Selector | None:
    """The counter of everything the signal is a share or a mean of; a gauge has none."""
    if isinstance(signal, HistogramSignal):
        return signal.series("count")
    if isinstance(signal, GaugeSignal):
        return None
    return signal.count if signal.kind == "mean" else signal.total


def requests(spec: Spec) -> Selector:
    """The counter that traffic shares are read from: the requests that errors are counted among."""
    preferred = [spec.signals[name] for name in ("errors", "latency") if name in spec.signals]
    for signal in [*preferred, *spec.signals.values()]:
        counter = events(signal)
        if counter is not None:
            return counter
    raise ValueError("no signal counts events")  # refused by lint


def by_segment(spec: Spec, expr: str) -> str:
    """Sum over everything but the segment; a spec without segments has the one called `all`."""
    if spec.segments.named:
        return f"sum by ({names.SEGMENT}) ({expr})"
    return f'label_replace(sum({expr}), "{names.SEGMENT}", "{names.TOTAL_SEGMENT}", "", "")'


def among(label: str, values: list[str]) -> str:
    """The matcher for exactly these values (names hold no special characters but dots and dashes)."""
    if len(values) == 1:
        return f'{label}="{values[0]}"'
    return f'{label}=~"{"|".join(value.replace(".", "[.]") for value in values)}"'


def not_among(label: str, values: list[str]) -> str:
    """The matcher for every value but these."""
    return among(label, values).replace("=", "!", 1) if len(values) > 1 else f'{label}!="{values[0]}"'
