"""`house` and `world`: the helpers of tests/support for the judge."""

from __future__ import annotations

from types import ModuleType

import judge_house
import judge_world
import pytest


@pytest.fixture(scope="session")
def house() -> ModuleType:
    return judge_house


@pytest.fixture(scope="session")
def world() -> ModuleType:
    return judge_world
