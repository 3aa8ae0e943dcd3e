"""Every kind of signal that a spec may declare: the four of signals.py, and each file of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from bascule.spec.found import classes_in
from bascule.spec.signals import CountedShare, GaugeSignal, HistogramSignal, MeanSignal, RatioSignal, SignalPart

__all__ = ["KINDS", "Signal"]


KINDS: tuple[type[SignalPart], ...] = (
    RatioSignal,
    HistogramSignal,
    MeanSignal,
    GaugeSignal,
    *classes_in(__name__, __path__, SignalPart),
)
if TYPE_CHECKING:
    Signal = CountedShare | HistogramSignal | MeanSignal | GaugeSignal
else:
    Signal = Annotated[Union[KINDS], Field(discriminator="kind")]  # noqa: UP007
