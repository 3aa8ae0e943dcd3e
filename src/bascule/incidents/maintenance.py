"""Planned windows: excluded from SLAs, listed in reports, silent in Alertmanager."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from bascule.conventions import EntryKind
from bascule.errors import BasculeError, UsageError
from bascule.incidents import silences
from bascule.incidents.model import Entry, Window
from bascule.incidents.store import Store
from bascule.spec import Spec
from bascule.spec.model import Maintenance

log = logging.getLogger(__name__)


def add(spec: Spec, store: Store, window: Window, now: float, silent: bool) -> Window:
    """Keep a window, silenced first, so that none is kept that would page someone. `silent` False sets no silence."""
    _check(spec, window)
    store.must_be_kept()
    if silent and window.ends > now:
        begun = replace(window, starts=max(window.starts, now))
        identity = silences.silence(spec, begun, store.identity)
        window = replace(window, silence=identity)
    kept = store.add_window(window)
    store.add(Entry(now, EntryKind.MAINTENANCE, f"maintenance {kept.id} planned: {window.reason}", window.who))
    return kept


def end(spec: Spec, store: Store, identity: int, who: str, now: float) -> Window:
    """End a window now (cancel it, if it has not begun), and its silence with it. While Alertmanager is away the window
    ends too: what still fires must be heard. The silence ends as soon as Alertmanager is back."""
    before = store.window(identity)
    ended = store.end_window(identity, now)
    word = "cancelled" if ended.cancelled else "ended"
    store.add(Entry(now, EntryKind.MAINTENANCE, f"maintenance {identity} {word}: {ended.reason}", who))
    if before.silence and before.ends > now:
        try:
            silences.expire(spec, before.silence)
        except BasculeError as error:
            log.warning("Alertmanager still holds the silence of maintenance %d, until it answers: %s", identity, error)
    return ended


def in_force(windows: Iterable[Window], declared: Iterable[Maintenance], now: float) -> list[tuple[str, ...]]:
    """The services of each window at that moment (Unix seconds), none for all of them. `declared`: the spec's."""
    spans = [(each.starts, each.ends, each.services) for each in windows if not each.cancelled]
    spans += [(*each.span, tuple(each.services)) for each in declared]
    return [services for starts, ends, services in spans if starts <= now < ends]


def _check(spec: Spec, window: Window) -> None:
    if window.ends <= window.starts:
        raise UsageError("the window's end is not after its start", "give --from before --to")
    unknown = [name for name in window.services if name not in spec.services]
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)} is not a service of the spec", f"services are {', '.join(spec.services)}"
        )
    if not window.reason.strip():
        raise UsageError("a maintenance window needs a reason", "give one as the first argument")
