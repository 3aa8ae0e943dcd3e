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

from typing import Any

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

_default: Instrument | None = None


def _instrument() -> Instrument:
    """The instrument behind this module's own names, on prometheus_client's default registry."""
    global _default
    if _default is None:
        _default = Instrument()
    return _default


def record_match_result(
    version: str,
    algorithm: str,
    user_segment: str,
    accuracy: float,
    success: bool,
    value: float | None = None,
) -> None:
    """See `Instrument.record_match_result`."""
    _instrument().record_match_result(version, algorithm, user_segment, accuracy, success, value)


def update_traffic_split(v1_requests: float, v2_requests: float) -> None:
    """See `Instrument.update_traffic_split`."""
    _instrument().update_traffic_split(v1_requests, v2_requests)


def __getattr__(name: str) -> Any:
    """The source document's metrics, made when first asked for, so that an Instrument may choose the buckets."""
    if name in _SOURCE_NAMES:
        return core_of(REGISTRY, None).families[getattr(conventions, name)]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
