"""The local launcher: finding, starting, watching and stopping all parts of one migration's stack."""

from bascule.stack.doctor import Check, doctor, told
from bascule.stack.plan import plan
from bascule.stack.running import down, status, up

__all__ = ["Check", "doctor", "down", "plan", "status", "told", "up"]
