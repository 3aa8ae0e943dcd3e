"""`house` and `world`: the helpers of tests/support for the judge."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SUPPORT = Path(__file__).parents[2] / "support"


def load_support(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SUPPORT / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def house() -> ModuleType:
    return load_support("judge_house")


@pytest.fixture(scope="session")
def world() -> ModuleType:
    return load_support("judge_world")
