"""Requests whose clients left before their answer: in no ratio and no total, so they are shown by themselves."""

from __future__ import annotations

from bascule.conventions import HTTP_LEFT, LOG_LEFT
from bascule.spec import Selector, Spec


def left(spec: Spec, version: str, window: str) -> str:
    """How many of a version's clients left in the window, by the service or by logs: they may tell of the same."""
    counted = (Selector(metric.name).where(*spec.versions.matchers(version)) for metric in (HTTP_LEFT, LOG_LEFT))
    sums = (f"sum(increase({selector.over(window)}))" for selector in counted)
    by_source = (f'label_replace({each}, "by", "{place}", "", "")' for place, each in enumerate(sums))
    return f"max({' or '.join(by_source)})"
