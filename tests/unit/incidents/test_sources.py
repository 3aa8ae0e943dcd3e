"""A source whose answer cannot be understood has not answered; the others are heard all the same."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_caller import with_state

from bascule.incidents.sources import Sources
from bascule.spec import load


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    made = Sources(with_state(load("supersmartmatch"), tmp_path))
    made._of_alertmanager = made._of_judge = list  # type: ignore[method-assign, assignment]
    made._alertmanager.started = lambda: 1.0  # type: ignore[method-assign]
    made._alertmanager.silences = list  # type: ignore[method-assign, assignment]
    yield made
    made.close()


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_cannot_be_computed_of_an_answer_is_no_answer(sources: Sources, value: float) -> None:
    sources._of_prometheus = lambda: math.ceil(value)  # type: ignore[method-assign, assignment, return-value]
    begun = time.monotonic()
    told = sources.snapshot()
    assert time.monotonic() - begun < 1
    assert (told.prometheus, told.alertmanager, told.judge, told.alertmanager_started) == (None, [], [], 1.0)
