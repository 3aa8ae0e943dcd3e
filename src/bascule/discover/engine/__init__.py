"""What a Prometheus-compatible engine does where engines differ, measured on what it holds; nothing is written."""

from bascule.discover.engine.finding import EngineFinding, told
from bascule.discover.engine.measure import measure

__all__ = ["EngineFinding", "measure", "told"]
