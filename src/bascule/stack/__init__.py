"""The local launcher: finding, starting, watching and stopping all parts of one migration's stack."""

from bascule.stack.doctor import DoctorCheck, doctor, told
from bascule.stack.plan import Layout, config_folder, plan
from bascule.stack.running import console_address, down, status, up
from bascule.stack.unseen import unseen_told

__all__ = [
    "DoctorCheck",
    "Layout",
    "config_folder",
    "console_address",
    "doctor",
    "down",
    "plan",
    "status",
    "told",
    "unseen_told",
    "up",
]
