"""How much worse the candidate must be before it is anybody's concern, for times and means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from bascule.spec.quantities import Amount
from bascule.units import Dimension, Unit, time_text

ABOVE_TARGET = "above target"


@dataclass(frozen=True)
class Harm:
    """A worsening of at least so much: absolute (`20ms`), relative (`20%`), or only what is beyond the target.

    Without any of them every worsening counts.
    """

    least: Amount | None = None
    relative: float | None = None
    above_target: bool = False
    written: str = ""

    @classmethod
    def parse(cls, text: Any) -> Harm:
        if isinstance(text, cls):
            return text
        written = str(text).strip()
        if written == ABOVE_TARGET:
            return cls(above_target=True, written=written)
        amount = Amount.parse(text)
        if amount.value < 0:
            raise ValueError(f"{text!r}: must not be negative; write it like 20ms, 20% or '{ABOVE_TARGET}'")
        if written.endswith("%"):
            return cls(relative=amount.value, written=written)
        return cls(least=amount, written=written)

    @property
    def is_any(self) -> bool:
        """Whether every worsening counts."""
        return not self.above_target and not self.is_amount

    @property
    def is_amount(self) -> bool:
        """Whether it is a difference from the baseline."""
        return self.relative is not None or (self.least is not None and self.least.value > 0)

    def amount(self, baseline: float, unit: Unit) -> float:
        """The worsening, in the signal's unit, from which it counts; `baseline`: the baseline's value, in it too."""
        if self.relative is not None:
            return self.relative * abs(baseline)
        return self.least.within(unit) if self.least is not None else 0.0

    def __str__(self) -> str:
        return self.written


def harm_text(harm: Harm, unit: Unit, targets: Mapping[str, float]) -> str:
    """`on any worsening`, `when worse by 20 ms or more`, `beyond p95 100 ms`; `targets` in the signal's unit."""
    if harm.above_target:
        return f"beyond {', '.join(f'{name} {_shown(limit, unit)}'.strip() for name, limit in targets.items())}"
    if harm.relative is not None:
        return f"when worse by {harm.written} or more of the baseline's value"
    if harm.least is None or harm.is_any:
        return "on any worsening"
    own = harm.least.within(unit)
    least = f"{unit.to_base(own) * 100:g} pt" if unit.dimension is Dimension.SHARE else _shown(own, unit)
    return f"when worse by {least} or more"


def _shown(value: float, unit: Unit) -> str:
    return time_text(unit.to_base(value)) if unit.dimension is Dimension.TIME else f"{value:g} {unit.name}".strip()


HarmField = Annotated[
    Harm,
    BeforeValidator(Harm.parse),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "number"]}),
]
