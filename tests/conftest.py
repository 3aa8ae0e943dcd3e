"""Fixtures for every test.

eventually(condition, seconds=10)   asks until `condition()` is truthy and returns its value; fails the test otherwise.
                                    An AssertionError in the condition counts as "not yet" and is shown at the end.
free_port()                         a port of 127.0.0.1 that is free now; never the same twice.

Those that start real programs are in tests/integration/conftest.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import settings

from bascule.processes import ports

# A busy machine is slow, not wrong: no deadline per example. `print_blob` lets a failure be repeated elsewhere.
settings.register_profile("bascule", deadline=None, print_blob=True)
settings.load_profile("bascule")

T = TypeVar("T")
LONGEST = "test_whole_house.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest is begun first: where files run side by side, nobody waits for it at the end."""
    items.sort(key=lambda item: item.path.name != LONGEST)


def _eventually(condition: Callable[[], T], seconds: float = 10.0, pause: float = 0.05) -> T:
    deadline = time.monotonic() + seconds
    while True:
        reason = "it never became true"
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            reason = str(error)
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s: {reason}")
        time.sleep(pause)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., T]:
    return _eventually


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    return ports.free
