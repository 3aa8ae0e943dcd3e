"""Sample V1, V2 and Nexten services, their traffic, and faults to switch on: a migration to practise on.

spec = lab_spec(load("supersmartmatch"), folder)
with Lab(spec, folder) as lab, Traffic(spec, rate=40, seed=1) as traffic:
    lab.set_share({"freemium": 0.5, "api_partners": 0.5})
    since = lab.fault("v2", error_rate=0.12)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bascule.lab.lab import Lab
    from bascule.lab.plan import API_PARTNERS, FREEMIUM, LONGEST_SECONDS, MIX
    from bascule.lab.profiles import PROFILES, Behaviour, LabRequest, Profile
    from bascule.lab.redis_cluster import RedisCluster, sessions_kept
    from bascule.lab.relay import Network, relayed
    from bascule.lab.services import RATE
    from bascule.lab.site import front_url, lab_spec, write_spec
    from bascule.lab.tally import Tally
    from bascule.lab.traffic_process import Traffic

__all__ = [
    "API_PARTNERS",
    "FREEMIUM",
    "LONGEST_SECONDS",
    "LabRequest",
    "MIX",
    "PROFILES",
    "RATE",
    "Behaviour",
    "Lab",
    "Network",
    "Profile",
    "RedisCluster",
    "Tally",
    "Traffic",
    "front_url",
    "lab_spec",
    "relayed",
    "sessions_kept",
    "write_spec",
]

_HOME = {
    "API_PARTNERS": "plan",
    "FREEMIUM": "plan",
    "LONGEST_SECONDS": "plan",
    "LabRequest": "profiles",
    "MIX": "plan",
    "PROFILES": "profiles",
    "RATE": "services",
    "Behaviour": "profiles",
    "Lab": "lab",
    "Network": "relay",
    "Profile": "profiles",
    "RedisCluster": "redis_cluster",
    "Tally": "tally",
    "Traffic": "traffic_process",
    "front_url": "site",
    "lab_spec": "site",
    "relayed": "relay",
    "sessions_kept": "redis_cluster",
    "write_spec": "site",
}


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: the services' workers import this package and need none of the spec's libraries."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
