"""Which signal represents what. Rules, panels and alerts ask for a role, never for a name.

`role:` on a signal decides. Without it the role is inferred: by the role's own name, then by a usual name for it, then
by the kind (the first ratio of `bad` events is `errors`, the first histogram of times is `latency`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bascule.spec.kinds import Signal
from bascule.spec.signals import CountedShare, HistogramSignal, Role

BUSINESS = frozenset({Role.ACCURACY, Role.SATISFACTION, Role.REVENUE, Role.RETENTION})
_KIND_OF: dict[Role, type[CountedShare] | type[HistogramSignal]] = {
    Role.ERRORS: CountedShare,
    Role.LATENCY: HistogramSignal,
    Role.ACCURACY: CountedShare,
}
_USUAL_NAMES: dict[Role, frozenset[str]] = {
    Role.ERRORS: frozenset({"failures", "error_rate", "error_ratio", "errors_ratio", "http_errors", "request_errors"}),
    Role.LATENCY: frozenset({"response_time", "response_times", "duration", "durations", "request_duration"}),
    Role.ACCURACY: frozenset({"matching_accuracy", "accuracy_rate", "match_success"}),
    Role.SATISFACTION: frozenset({"rating", "ratings", "user_rating"}),
    Role.REVENUE: frozenset({"revenue_per_match", "value", "match_value"}),
}
Test = Callable[[Role, str, Signal], bool]
_WAYS: tuple[Test, ...] = (
    lambda role, name, signal: name == role,
    lambda role, name, signal: name in _USUAL_NAMES.get(role, ()),
    lambda role, name, signal: role is Role.ERRORS and signal.looks_like_errors,
    lambda role, name, signal: role is Role.LATENCY and signal.is_time,
)


def kind_wanted(role: Role) -> type[CountedShare] | type[HistogramSignal] | None:
    """The kind of signal that a role needs; None where any kind can have it."""
    return _KIND_OF.get(role)


def roles_of(signals: Mapping[str, Signal]) -> dict[str, Role]:
    """The role of every signal, in the signals' order; each role but `other` is inferred once at most."""
    found = {name: signal.role for name, signal in signals.items() if signal.role is not None}
    for way in _WAYS:
        for role in Role:
            if role not in found.values():
                found |= dict.fromkeys(_first(signals, found, role, way), role)
    return {name: found.get(name, Role.OTHER) for name in signals}


def _first(signals: Mapping[str, Signal], taken: Mapping[str, Role], role: Role, way: Test) -> Iterator[str]:
    kind = _KIND_OF.get(role, object)
    fitting = (
        n for n, signal in signals.items() if n not in taken and isinstance(signal, kind) and way(role, n, signal)
    )
    if (name := next(fitting, None)) is not None:
        yield name
