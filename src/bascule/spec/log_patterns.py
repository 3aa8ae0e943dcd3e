"""The spec's log formats, asked of the room `logformat` in plain values."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.logformat import COLUMNS, GROK_NAMES, LogIndex, PatternError, read_dissect, read_grok
from bascule.spec.model import LogFormat, Spec


def check(form: LogFormat) -> tuple[str, PatternError] | None:
    """The key of the pattern that is wrong, and what is."""
    try:
        for _ in _fields_of(form):
            pass
    except PatternError as error:
        return "grok" if form.dissect is None else "dissect", error
    return None


def log_index(spec: Spec) -> LogIndex:
    """The daily indices of the spec's log lines; PatternError where a format's pattern is wrong."""
    fields = dict.fromkeys(name for form in spec.logs.formats.values() for name in _fields_of(form))
    own = tuple(name for name in fields if name not in COLUMNS)
    return LogIndex(spec.metadata.name, spec.title, spec.logs.retention, own)


def upstreams_of(spec: Spec) -> dict[str, str]:
    """What a balancer may call a server -> its version, "" for a service of the spec that has none.

    Services go by their addresses, their names (with `_` for `-` too, as nginx groups are called) and `upstreams`.
    """
    return {
        known: service.version or ""
        for name, service in spec.services.items()
        for known in (name, name.replace("-", "_"), *service.upstreams, *service.targets)
    }


def _fields_of(form: LogFormat) -> Iterator[str]:
    """The columns that a format's pattern fills; those of JSON lines are not known beforehand."""
    if form.dissect is not None:
        yield from (part.name for part in read_dissect(form.dissect)[1] if part.name)
    if form.grok is not None:
        yield from (GROK_NAMES.get(name, name) for name, _ in read_grok(form.grok).fields.values())
