"""Which containers read each file that a spec names: a file reaches those, read-only, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from bascule.errors import BasculeError
from bascule.spec import Spec
from bascule.spec.files import Place, files_of
from bascule.spec.receivers import Channel, kinds

SENDERS: Final = ("incidents", "sla")  # roles that tell people, and that Alertmanager delivers to
PROMETHEUS, ALERTMANAGER, BLACKBOX = "prometheus", "alertmanager", "blackbox-exporter"
Readers = tuple[str, ...]


def delivered_to(spec: Spec) -> Readers:
    """The roles that know the token by which Alertmanager delivers alerts, and Prometheus samples."""
    return (*SENDERS, "judge") if spec.judge.push else SENDERS


def _of_receiver(place: Place) -> Readers:
    """Alertmanager has some kinds of channels itself."""
    is_known = kinds()[place[3]].alertmanager is not Channel.alertmanager
    return (*SENDERS, ALERTMANAGER) if is_known else SENDERS


_READERS: dict[Place, Callable[[Place], Readers]] = {
    ("services",): lambda place: (),  # `access_log` says where the lab's nginx writes
    ("probes",): lambda place: (BLACKBOX,),
    ("notify", "receivers"): _of_receiver,
    ("logs",): lambda place: ("logs",),
    ("stack", "access", "prometheus"): lambda place: ("incidents", "judge", "console", "sla", PROMETHEUS),
    ("stack", "access", "roles"): lambda place: (),  # of commands on other machines
    ("stack", "tls"): lambda place: ("incidents", "judge", "logs", "console", "sla"),
    ("stack", "sign_in"): lambda place: ("console",),
    ("stack", "access", "alertmanager"): lambda place: ("incidents", "judge", "console", PROMETHEUS),
}


def readers_of(place: Place) -> Readers:
    """The containers that read the file which a spec names there."""
    for length in range(len(place), 0, -1):
        if place[:length] in _READERS:
            return _READERS[place[:length]](place)
    raise BasculeError(f"no container is known to read {'.'.join(place)}", "please report it")


def read_by(spec: Spec, container: str) -> dict[Place, Path]:
    """The files that a container reads."""
    return {place: path for place, path in files_of(spec).items() if container in readers_of(place)}
