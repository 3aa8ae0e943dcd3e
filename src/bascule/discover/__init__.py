"""What a running Prometheus shows: a spec proposed from it, and generated expressions asked of it."""

from bascule.discover.compare import Compared, Difference, compare
from bascule.discover.propose import propose
from bascule.discover.verify import Finding, verify

__all__ = ["Compared", "Difference", "Finding", "compare", "propose", "verify"]
