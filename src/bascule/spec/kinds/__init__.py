"""Every kind of signal that a spec may declare: the four of signals.py, and each file of this folder."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from bascule.spec.signals import CountedShare, GaugeSignal, HistogramSignal, MeanSignal, RatioSignal, SignalPart

__all__ = ["KINDS", "Signal"]


def _more() -> tuple[type[SignalPart], ...]:
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    values = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return tuple(value for value in values if issubclass(value, SignalPart) and "kind" in value.model_fields)


KINDS: tuple[type[SignalPart], ...] = tuple(
    dict.fromkeys((RatioSignal, HistogramSignal, MeanSignal, GaugeSignal, *_more()))
)
if TYPE_CHECKING:
    Signal = CountedShare | HistogramSignal | MeanSignal | GaugeSignal
else:
    Signal = Annotated[Union[KINDS], Field(discriminator="kind")]  # noqa: UP007
