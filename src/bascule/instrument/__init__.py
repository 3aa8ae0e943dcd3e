"""What a service imports: its requests and matches become the metrics that every rule reads.

    from bascule.instrument import Instrument

    instrument = Instrument(version="v2", config="instrument.json")
    instrument.init_flask(app)                      # or app = instrument.wsgi(app), instrument.asgi(app)
    instrument.record_match_result("v2", "nexten", "enterprise", accuracy=0.93, success=True, value=12.5)

The SuperSmartMatch source document's names work as they are written there:

    from bascule.instrument import MATCH_ACCURACY, record_match_result, update_traffic_split

Needs prometheus_client alone. Set PROMETHEUS_MULTIPROC_DIR for several worker processes (`multiprocess`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from prometheus_client import REGISTRY

from bascule import conventions
from bascule.instrument.config import Config, load_config
from bascule.instrument.core import core_of
from bascule.instrument.service import Instrument

__all__ = [
    "ACTIVE_USERS",
    "MATCHES_TOTAL",
    "MATCH_ACCURACY",
    "RESPONSE_TIME",
    "TRAFFIC_SPLIT",
    "Config",
    "Instrument",
    "load_config",
    "record_match_result",
    "update_traffic_split",
]

_SOURCE_NAMES = {"ACTIVE_USERS", "MATCHES_TOTAL", "MATCH_ACCURACY", "RESPONSE_TIME", "TRAFFIC_SPLIT"}

P = ParamSpec("P")
_default: Instrument | None = None


def _instrument() -> Instrument:
    """The instrument behind this module's own names, on prometheus_client's default registry."""
    global _default
    if _default is None:
        _default = Instrument()
    return _default


def _of_default(method: Callable[Concatenate[Instrument, P], None]) -> Callable[P, None]:
    """A method of the instrument behind this module's own names, as a function."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        method(_instrument(), *args, **kwargs)

    return call


record_match_result = _of_default(Instrument.record_match_result)
update_traffic_split = _of_default(Instrument.update_traffic_split)


def __getattr__(name: str) -> Any:
    """The source document's metrics, made when first asked for, so that an Instrument may choose the buckets."""
    if name in _SOURCE_NAMES:
        return core_of(REGISTRY, None).families[getattr(conventions, name)]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
