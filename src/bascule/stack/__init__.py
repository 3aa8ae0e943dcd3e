"""The local launcher: finding, starting, watching and stopping all parts of one migration's stack."""

from bascule.stack.doctor import DoctorCheck, doctor, told
from bascule.stack.plan import Layout, plan
from bascule.stack.running import console_address, down, status, up

__all__ = ["DoctorCheck", "Layout", "console_address", "doctor", "down", "plan", "status", "told", "up"]
