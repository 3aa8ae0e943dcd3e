"""What an SLA of the spec is about: the scrapes of services, or the events of one signal; for `check` and `slo`."""

from __future__ import annotations

from bascule.spec.model import AVAILABILITY, Spec
from bascule.spec.signals import Role

SERVING_KINDS = ("application", "nginx", "redis")  # services whose absence users notice
_ROLE_MEANT = {"response_time": Role.LATENCY, "error_rate": Role.ERRORS}  # by the names of the source document
_ROLE_MEANT |= {role.value: role for role in Role if role is not Role.OTHER}


def serving_services(spec: Spec) -> list[str]:
    """Those whose absence users notice, where something tells of it: their metrics, or their health address."""
    return [n for n, s in spec.services.items() if s.kind in SERVING_KINDS and (s.page is not None or s.health)]


def counts_scrapes(spec: Spec, name: str) -> bool:
    """Whether the SLA is about services being there, rather than about events of a signal."""
    return name == AVAILABILITY and spec.slas.named[name].signal is None


def signal_counted(spec: Spec, name: str) -> str:
    """The signal that an SLA counts: `signal:`, else the one whose role the SLA's name means, else one of that name.

    It need not be declared.
    """
    role = _ROLE_MEANT.get(name)
    by_role = (signal for signal, each in spec.signal_roles.items() if each is role) if role else iter(())
    return spec.slas.named[name].signal or next(by_role, name)


def services_counted(spec: Spec, version: str | None = None) -> tuple[str, ...]:
    """The services whose scrapes are availability, in the spec's order; with `version`, those of that version.

    `slas.availability.services` narrows them, unless it names none of that version's.
    """
    sla = spec.slas.named.get(AVAILABILITY)
    serving = [name for name in serving_services(spec) if version in (None, spec.services[name].version)]
    chosen = [name for name in serving if sla and name in sla.services]
    return tuple(chosen or serving)
