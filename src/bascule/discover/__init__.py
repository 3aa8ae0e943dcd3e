"""What a running Prometheus shows: a spec proposed from it, and generated expressions asked of it."""

from bascule.discover.compare import Compared, compare
from bascule.discover.engine import EngineFinding, measure
from bascule.discover.engine import told as measured_lines
from bascule.discover.finding import DoctorFinding
from bascule.discover.openslo import propose_from_slos
from bascule.discover.propose import propose
from bascule.discover.unseen import unseen
from bascule.discover.verify import CheckedExpression, verify, why_empty

__all__ = [
    "CheckedExpression",
    "Compared",
    "EngineFinding",
    "DoctorFinding",
    "compare",
    "measure",
    "measured_lines",
    "propose",
    "propose_from_slos",
    "unseen",
    "verify",
    "why_empty",
]
