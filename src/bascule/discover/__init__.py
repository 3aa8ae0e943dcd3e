"""What a running Prometheus shows: a spec proposed from it, and generated expressions asked of it."""

from bascule.discover.propose import propose
from bascule.discover.verify import CheckedExpression, verify

__all__ = ["CheckedExpression", "propose", "verify"]
