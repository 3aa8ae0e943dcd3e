"""From the spec's selectors to PromQL with one canonical set of labels: `version`, `user_segment`.

However a spec tells its versions apart (a label of any name, or matchers of their own), every recorded series carries
`version="<name in the spec>"` and, where there are segments, `user_segment`.
"""

from __future__ import annotations

from collections.abc import Callable

from bascule import conventions as names
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.growth import born
from bascule.spec.kinds import Signal
from bascule.spec.quantities import parse_duration

WINDOW = "5m"  # the source document's
WINDOW_SECONDS = 300


def indent(text: str, by: int = 2) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


def canonical_rate(spec: Spec, selector: Selector, window: str = WINDOW) -> str:
    """The per-second rate of a counter, for both versions, under the canonical labels."""
    return _canonical(spec, selector, lambda each: rate(each, window))


def rate(selector: Selector, window: str) -> str:
    """The per-second rate of each series, with what those counted before their first scrape that are new in the window.

    Of a new histogram only the bounds differ from one bucket to the next: the few events are not worth the query.
    """
    plain = f"rate({selector.over(window)})"
    if selector.metric.endswith("_bucket"):
        return plain
    return f"({born(selector, window)}) / {parse_duration(window):g} or {plain}"


def increase(selector: Selector, window: str) -> str:
    """How much each series grew, with what those counted before their first scrape that are new in the window."""
    return f"({born(selector, window)}) or increase({selector.over(window)})"


def canonical_level(spec: Spec, selector: Selector) -> str:
    """A gauge as it is, for both versions, under the canonical labels."""
    return _canonical(spec, selector, str)


def of_versions(spec: Spec, selector: Selector, each: Callable[[Selector], str], *versions: str) -> str:
    """What `each` makes of the selector, for some of the versions together."""
    if spec.versions.select is not None:
        return " or ".join(f"({each(selector.where(*spec.versions.matchers(version)))})" for version in versions)
    label = spec.versions.label or names.VERSION
    pattern = "|".join(version.replace(".", "[.]") for version in versions)
    own = Matcher(label, "=", versions[0]) if len(versions) == 1 else Matcher(label, "=~", pattern)
    return each(selector.where(own))


def _canonical(spec: Spec, selector: Selector, each: Callable[[Selector], str]) -> str:
    """What `each` makes of the selector, under the canonical labels."""
    versions = spec.versions
    if versions.select is not None:
        parts = (labelled(each(selector.where(*versions.matchers(v))), names.VERSION, v) for v in versions.both)
        inner = " or ".join(parts)
    else:
        every = of_versions(spec, selector, each, *versions.both)
        inner = relabelled(every, versions.label or names.VERSION, names.VERSION)
    return relabelled(inner, spec.segments.label, names.SEGMENT) if spec.segments.named else inner


def relabelled(inner: str, label: str, name: str) -> str:
    """The same series, with the values of `label` under another name."""
    return inner if label == name else f'label_replace({inner}, "{name}", "$1", "{label}", "(.+)")'


def labelled(inner: str, label: str, value: str) -> str:
    """The same series, each with this label."""
    return f'label_replace({inner}, "{label}", "{value}", "", "")'


def strata(spec: Spec, signal: Signal) -> tuple[str, ...]:
    """The labels within which the two versions are compared, by their canonical names."""
    canonical = (names.SEGMENT if label == spec.segments.label else label for label in signal.strata)
    return tuple(dict.fromkeys(label for label in canonical if spec.segments.named or label != names.SEGMENT))


def by_segment(spec: Spec, expr: str) -> str:
    """Sum over everything but the segment; a spec without segments has the one called `all`."""
    if spec.segments.named:
        return f"sum by ({names.SEGMENT}) ({expr})"
    return labelled(f"sum({expr})", names.SEGMENT, names.TOTAL_SEGMENT)


def among(label: str, values: list[str]) -> str:
    """The matcher for exactly these values (names hold no special characters but dots and dashes)."""
    if len(values) == 1:
        return f'{label}="{values[0]}"'
    return f'{label}=~"{"|".join(value.replace(".", "[.]") for value in values)}"'


def not_among(label: str, values: list[str]) -> str:
    """The matcher for every value but these."""
    return among(label, values).replace("=", "!", 1) if len(values) > 1 else f'{label}!="{values[0]}"'
