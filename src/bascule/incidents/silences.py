"""Alertmanager's silences: planned work calls nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bascule import times
from bascule.alerts import catalogue
from bascule.api.servers import alertmanager_of
from bascule.errors import QueryRejected, Unreachable
from bascule.incidents.model import Window
from bascule.prometheus import Alertmanager
from bascule.spec import Spec


def silence(spec: Spec, window: Window) -> str:
    """Silence a window's services (all alerts when it names none); returns Alertmanager's id."""
    with _asked(spec) as alertmanager:
        return alertmanager.silence(_body(spec, window))


def expire(spec: Spec, identity: str) -> None:
    """End a silence; one that is gone already is as good."""
    with _asked(spec) as alertmanager:
        alertmanager.expire(identity)


def _body(spec: Spec, window: Window) -> dict[str, Any]:
    services = "|".join(re.escape(name) for name in window.services)
    name, value = ("job", services) if services else ("alertname", _alerts(spec))
    return {
        "matchers": [{"name": name, "value": value, "isRegex": True, "isEqual": True}],
        "startsAt": times.rfc3339(window.starts, "milliseconds"),
        "endsAt": times.rfc3339(window.ends, "milliseconds"),
        "createdBy": window.who or "bascule",
        "comment": f"planned maintenance: {window.reason}",
    }


def _alerts(spec: Spec) -> str:
    """Every alert of an Alertmanager of our own; in one that others use, Bascule's alone."""
    if "alertmanager" not in spec.stack.external:
        return ".+"
    return "|".join(dict.fromkeys(spec.alert_prefix + entry.name for entry in catalogue().values()))


@contextmanager
def _asked(spec: Spec) -> Iterator[Alertmanager]:
    client = alertmanager_of(spec)
    try:
        yield client
    except Unreachable as error:
        raise Unreachable(
            f"nothing was silenced: {error.what}", "start it, or add the window without a silence"
        ) from error
    except QueryRejected as error:
        raise QueryRejected(f"nothing was silenced: {error.what}", "check the window's times") from error
    finally:
        client.close()
