"""From the spec's selectors to PromQL with one canonical set of labels: `version`, `user_segment`.

However a spec tells its versions apart (a label of any name, or matchers of their own), every recorded series carries
`version="<name in the spec>"` and, where there are segments, `user_segment`.
"""

from __future__ import annotations

from bascule import conventions as names
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.signals import Signal

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
    return relabelled(template.format(selector.where(Matcher(label, "=~", "|".join(versions.both)))), label, "version")


def _canonical_segment(spec: Spec, inner: str) -> str:
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
