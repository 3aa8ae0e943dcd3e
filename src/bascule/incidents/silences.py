"""Alertmanager's silences: planned work does not page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bascule import times
from bascule.errors import QueryRejected, Unreachable
from bascule.incidents.model import Window
from bascule.prometheus import Alertmanager


def silence(url: str, window: Window) -> str:
    """Silence a window's services (all alerts when it names none); returns Alertmanager's id."""
    with _asked(url) as alertmanager:
        return alertmanager.silence(_body(window))


def expire(url: str, identity: str) -> None:
    """End a silence; one that is gone already is as good."""
    with _asked(url) as alertmanager:
        alertmanager.expire(identity)


def _body(window: Window) -> dict[str, Any]:
    services = "|".join(re.escape(name) for name in window.services)
    name, value = ("job", services) if services else ("alertname", ".+")
    return {
        "matchers": [{"name": name, "value": value, "isRegex": True, "isEqual": True}],
        "startsAt": times.rfc3339(window.starts, "milliseconds"),
        "endsAt": times.rfc3339(window.ends, "milliseconds"),
        "createdBy": window.who or "bascule",
        "comment": f"planned maintenance: {window.reason}",
    }


@contextmanager
def _asked(url: str) -> Iterator[Alertmanager]:
    client = Alertmanager(url)
    try:
        yield client
    except Unreachable as error:
        raise Unreachable(
            f"nothing was silenced: {error.what}", "start Alertmanager, or add the window without a silence"
        ) from error
    except QueryRejected as error:
        raise QueryRejected(f"nothing was silenced: {error.what}", "check the window's times") from error
    finally:
        client.close()
