"""Rows of series are the same whatever order an answer has them in, and whichever came before it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bascule.prometheus import NOBODY, SeriesRows
from bascule.prometheus.matrix import label_bytes

names = st.lists(st.sampled_from("abcdef"), max_size=6, unique=True)


def written(name: str) -> bytes:
    return label_bytes({"job": name})


@given(st.lists(st.tuples(names, st.booleans()), max_size=6))
def test_rows_are_those_of_the_labels_after_any_answers(answers: list[tuple[list[str], bool]]) -> None:
    rows, numbers = SeriesRows(), dict[str, int]()

    def number(labels: Mapping[str, str], _: bytes) -> int:
        return NOBODY if labels["job"] == "f" else numbers.setdefault(labels["job"], len(numbers))

    for answer, is_first_forgotten in answers:
        found = rows.of([written(name) for name in answer], number)
        assert found.tolist() == [numbers.get(name, NOBODY) for name in answer]
        if is_first_forgotten and numbers:
            rows.keep(np.arange(len(numbers)) > 0)
            left = {name: row - 1 for name, row in numbers.items() if row > 0}
            numbers.clear()
            numbers.update(left)


def test_the_answer_before_is_not_kept_with_the_rows() -> None:
    rows = SeriesRows()
    rows.of([written("a")], lambda labels, _: 0)
    kept = pickle.dumps(rows)
    assert rows.known([written("a")]) is not None
    assert pickle.dumps(rows) == kept
