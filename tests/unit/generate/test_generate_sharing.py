"""What a rule has recorded is read by the rules after it in its group, instead of being computed again."""

from __future__ import annotations

import pytest

from bascule.generate.prometheus.rules import Group, Recording
from bascule.generate.prometheus.sharing import shared
from bascule.generate.victoriametrics import victoriametrics_files
from bascule.spec import BUILT_IN, load

TOTAL = Recording("total", "sum(rate(x[5m]))", {"signal": "errors"})
READ = 'max without (signal) (total{signal="errors"})'


def expressions(*groups: list[Recording]) -> list[list[str]]:
    """Those of each group."""
    made = [Group(f"g{n}", tuple(rules)) for n, rules in enumerate(groups)]
    return [[rule.expr for rule in group.rules] for group in shared(made)]


@pytest.mark.parametrize(
    ("computed", "read"),
    [
        ("sum(rate(x[5m]))", READ),
        ("1 - sum(rate(x[5m])) / 2", f"1 - {READ} / 2"),
        ("sum(rate(x[1m]))", "sum(rate(x[1m]))"),
    ],
)
def test_a_later_rule_reads_what_is_recorded(computed, read):
    """Without the labels that its rule adds: the value stands where the expression stood."""
    assert expressions([TOTAL, Recording("later", computed)]) == [[TOTAL.expr, read]]


def test_what_is_an_operation_is_read_where_it_stands_in_brackets():
    """Else what binds stronger would take a part of it."""
    rules = [Recording("sum", "a + b"), Recording("twice", "2 * (a + b)"), Recording("other", "2 * a + b")]
    assert expressions(rules) == [["a + b", "2 * sum", "2 * a + b"]]


def test_neither_an_earlier_rule_nor_another_group_reads_it():
    """They are evaluated before it, or at other moments."""
    early, late = Recording("early", TOTAL.expr), Recording("late", TOTAL.expr)
    assert expressions([early, TOTAL], [late]) == [[TOTAL.expr, "early"], [TOTAL.expr]]


def test_a_name_of_several_rules_is_read_by_its_labels_or_not_at_all():
    """Without labels it would give what the other rules record, too."""
    other = Recording("total", "sum(rate(y[5m]))")
    rules = [other, TOTAL, Recording("both", f"{other.expr} + {TOTAL.expr}")]
    assert expressions(rules) == [[other.expr, TOTAL.expr, f"{other.expr} + {READ}"]]


def test_a_constant_is_written_again():
    """It costs nothing."""
    assert expressions([Recording("one", "vector(1)"), Recording("two", "x or vector(1)")]) == [
        ["vector(1)", "x or vector(1)"]
    ]


def test_vmalert_computes_everything_anew():
    """It writes what it records without waiting for it, so that the next rule would read an older value."""
    rules = victoriametrics_files(load(BUILT_IN))["victoriametrics/rules/signals.yml"]
    assert "max without (signal) (stratum:signal_events:rate5m" not in rules
