"""Counter growth per minute, kept by recording rules: what makes a month's SLA report cheap, and still exact.

`increase()` extrapolates, and a rule that sums raw counters cannot be told from one that was reset. So a minute's
growth is a plain difference, with a reset and a birth counted as what they are:

- grew: the difference
- fell: its process restarted, so what it shows was all counted since
- new, while its target already answered a minute ago: it began at zero

What happens while a target does not answer is not in these series; a reader takes the raw series there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bascule.conventions import SLA_GROWTH
from bascule.spec.model import Spec
from bascule.spec.selector import Selector

INTERVAL_SECONDS = 60.0
_WINDOW = "1m"


@dataclass(frozen=True)
class GrowthRule:
    """`record` holds the growth of the series of `selector`, summed by `labels`.

    `heartbeat` is a record of the same group that is there whenever the rules are evaluated: failures may have none.
    """

    record: str
    heartbeat: str
    selector: Selector
    labels: tuple[str, ...]

    @property
    def expr(self) -> str:
        return f"sum by ({', '.join(self.labels)}) ({grown(self.selector)})"


def grown(selector: Selector) -> str:
    """The growth of each series in the last minute, however rarely it is scraped."""
    now, before = str(selector), f"{selector} offset {_WINDOW}"
    return f"({now} - {before} >= 0) or (({now} < {before}) or ({born(selector, _WINDOW)}))"


def born(selector: Selector, window: str) -> str:
    """The series that are new within the window, while their target already answered before it: all was counted in it.

    `rate` and `increase` see nothing of what a series counted before it was first scraped.
    """
    return f"({selector} unless {selector} offset {window}) and on (job, instance) (up offset {window} == 1)"


def growth_rules(spec: Spec) -> tuple[GrowthRule, ...]:
    """One rule for each selector that SLAs and comparisons count; signals that share one share its rule.

    Names that are a pattern have none: an expression drops the name, and with it the version.
    """
    rules: dict[str, GrowthRule] = {}
    for name, signal in spec.signals.items():
        heartbeat = ""
        for part, selector in signal.growing.items():
            if selector.is_plain:
                record = SLA_GROWTH.format(re.sub(r"[^A-Za-z0-9_]", "_", name), part)
                labels = (*group_labels(spec), *(("le",) if selector == signal.buckets else ()))
                rule = rules.setdefault(str(selector), GrowthRule(record, heartbeat or record, selector, labels))
                heartbeat = heartbeat or rule.record
    return tuple(rules.values())


def group_labels(spec: Spec) -> tuple[str, ...]:
    """The labels that tell service, version, segment and partner apart."""
    versions = [matcher.label for version in spec.versions.both for matcher in spec.versions.matchers(version)]
    partners = [segment.partner_label for segment in spec.segments.named.values() if segment.partner_label]
    return tuple(dict.fromkeys(("job", *versions, spec.segments.label, *partners)))
