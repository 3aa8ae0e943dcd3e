"""The local launcher: finding, starting, watching and stopping all parts of one migration's stack."""

from bascule.stack.doctor import DoctorCheck, doctor, told
from bascule.stack.plan import plan
from bascule.stack.running import console_address, down, status, up

__all__ = ["DoctorCheck", "console_address", "doctor", "down", "plan", "status", "told", "up"]
