"""Every fault that a drill can make: a class in a file of this folder. Being there is enough."""

from __future__ import annotations

from inspect import isabstract

from bascule.errors import UsageError
from bascule.scenarios.drills.fault import Fault, FaultClass
from bascule.spec.found import classes_in

__all__ = ["all_faults", "fault_named"]

# The quiet ones first: what a real fault does to an SLA's budget lasts for hours. Then by how long each takes.
_ORDER = (FaultClass.QUIET, FaultClass.HARD, FaultClass.STATISTICAL, FaultClass.TIMED)


def all_faults() -> list[Fault]:
    """Every fault, by class."""
    kinds = classes_in(__name__, __path__, Fault)  # type: ignore[type-abstract]
    found = [kind() for kind in kinds if not isabstract(kind)]
    return sorted(found, key=lambda fault: (_ORDER.index(fault.kind), fault.key))


def fault_named(key: str) -> Fault:
    """Raises UsageError for a name that no fault has."""
    known = {fault.key: fault for fault in all_faults()}
    if key not in known:
        raise UsageError(f"{key!r} is not a fault", f"faults are: {', '.join(sorted(known))}")
    return known[key]
