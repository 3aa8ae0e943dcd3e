"""What a running Prometheus shows: a spec proposed from it, and generated expressions asked of it."""

from bascule.discover.compare import Compared, Difference, compare
from bascule.discover.propose import propose
from bascule.discover.verify import CheckedExpression, verify

__all__ = ["Compared", "Difference", "CheckedExpression", "compare", "propose", "verify"]
