"""What a running Prometheus holds of the services: families of series, their labels, and how versions stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bascule.prometheus import Prometheus

SERIES_LOOKED_AT = 2000  # of one metric: enough to see its labels, little enough for any server
METRICS_LOOKED_AT = 400
# Rooms that Bascule and the usual exporters fill: none of them counts a service's requests.
_NOT_OF_SERVICES = re.compile(
    r"(go|process|python|prometheus|alertmanager|bascule|node|redis|nginx|probe|container|kube|machine|promhttp|scrape"
    r"|net_conntrack|blackbox|pushgateway|otel|target)_.*|up|ALERTS.*|.*:.*"
)
_VERSION_WORD = re.compile(r"v\d+(?:[._-]\d+)*")
_VERSION_NUMBER = re.compile(r"v?\d+(?:\.\d+)+(?:[-+][\w.]+)?")
_IN_A_NAME = re.compile(r"(?:^|(?<=[-_.]))(v\d+|canary|stable|blue|green)(?=$|[-_.])")
_WORDS = (
    ("stable", "canary"),
    ("baseline", "candidate"),
    ("blue", "green"),
    ("old", "new"),
    ("control", "treatment"),
    ("control", "experiment"),
    ("primary", "canary"),
)
VERSION_LABELS = (
    "version",
    "app_version",
    "service_version",
    "api_version",
    "deployment",
    "release",
    "track",
    "variant",
    "color",
)
_NEVER_VERSIONS = {
    "le",
    "quantile",
    "instance",
    "job",
    "status",
    "status_code",
    "code",
    "method",
    "port",
    "user_id",
    "endpoint",
    "handler",
    "route",
    "path",
    "http_route",
    "http_response_status_code",
    "network_protocol_version",
    "revision",
    "otel_scope_version",
    "http_status_code",
}


@dataclass(frozen=True)
class Family:
    """Series of one name; `name` is a pattern where the version stands in it. `labels`: every value seen."""

    name: str
    labels: dict[str, frozenset[str]] = field(default_factory=dict)

    def has(self, label: str, values: Iterable[str]) -> bool:
        return set(values) <= self.labels.get(label, frozenset())


@dataclass(frozen=True)
class Found:
    """The two versions: a label's values, or matchers of their own for each. `how` says where they were seen."""

    baseline: str
    candidate: str
    how: str
    label: str | None = None
    select: dict[str, str] | None = None
    others: tuple[str, ...] = ()


def families(prometheus: Prometheus) -> list[Family]:
    """The families of the services' counters and histograms."""
    names = [name for name in prometheus.label_values("__name__") if not _NOT_OF_SERVICES.fullmatch(name)]
    counted = [name for name in names if name.endswith(("_total", "_count", "_sum"))]
    return [_family(prometheus, name) for name in counted[:METRICS_LOOKED_AT]]


def _family(prometheus: Prometheus, name: str) -> Family:
    samples = prometheus.instant(f"topk({SERIES_LOOKED_AT}, {name})")
    labels: dict[str, set[str]] = {}
    for sample in samples:
        for label, value in sample.labels.items():
            if label != "__name__":
                labels.setdefault(label, set()).add(value)
    return Family(name, {label: frozenset(values) for label, values in labels.items()})


def versions_of(found: list[Family]) -> Found | None:
    """The two versions, looked for in labels, then in job names, then in metric names."""
    return _by_label(found) or _by_job(found) or _by_name(found)


def of_both(found: list[Family], versions: Found) -> list[Family]:
    """The families that have series of both versions; names that differ by the version alone become one."""
    if versions.label is not None:
        return [each for each in found if each.has(versions.label, (versions.baseline, versions.candidate))]
    jobs = [re.fullmatch(r'job="(.*)"', text) for text in (versions.select or {}).values()]
    if all(jobs):
        return [each for each in found if each.has("job", (match[1] for match in jobs if match))]
    if versions.how.startswith("label"):
        return [each for each in found if each.has(versions.how.split()[1], _raw(versions))]
    return _joined(found, (versions.baseline, versions.candidate))


def _raw(versions: Found) -> list[str]:
    return [text.partition('="')[2].rstrip('"') for text in (versions.select or {}).values()]


# ---------------------------------------------------------------- where versions stand


def _by_label(found: list[Family]) -> Found | None:
    seen: dict[str, set[str]] = {}
    for each in found:
        for label, values in each.labels.items():
            if label not in _NEVER_VERSIONS:
                seen.setdefault(label, set()).update(value for value in values if _is_version(label, value))
    told = {label: values for label, values in seen.items() if _pair(values)}
    for label in sorted(told, key=lambda label: (label not in VERSION_LABELS, _place(label), label)):
        old, new = _pair(told[label]) or ("", "")
        others = tuple(sorted(told[label] - {old, new}))
        how = f"label {label}"
        if re.fullmatch(r"[A-Za-z][\w.-]*", old) and re.fullmatch(r"[A-Za-z][\w.-]*", new):
            return Found(old, new, how, label=label, others=others)
        return Found(f"v{old}", f"v{new}", how, select={f"v{each}": f'{label}="{each}"' for each in (old, new)})
    return None


def _is_version(label: str, value: str) -> bool:
    named = label in VERSION_LABELS and re.fullmatch(r"\d+", value) is not None
    word = any(value in pair for pair in _WORDS)
    return named or word or bool(_VERSION_WORD.fullmatch(value) or _VERSION_NUMBER.fullmatch(value))


def _pair(values: set[str]) -> tuple[str, str] | None:
    """Which two of the values: a known pair of words, else the two highest numbers."""
    for pair in _WORDS:
        if set(pair) <= values:
            return pair
    numbered = sorted((value for value in values if re.search(r"\d", value)), key=_order)
    return (numbered[-2], numbered[-1]) if len(numbered) > 1 else None


def _order(version: str) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", version)], version


def _place(label: str) -> int:
    return VERSION_LABELS.index(label) if label in VERSION_LABELS else len(VERSION_LABELS)


def _by_job(found: list[Family]) -> Found | None:
    jobs = {job for each in found for job in each.labels.get("job", ())}
    for stem, named in sorted(_by_stem(jobs).items()):
        pair = _pair(set(named))
        if pair:
            select = {version: f'job="{named[version]}"' for version in pair}
            return Found(*pair, how=f"the jobs {' and '.join(named[v] for v in pair)} ({stem})", select=select)
    return None


def _by_name(found: list[Family]) -> Found | None:
    for _, named in sorted(_by_stem({each.name for each in found}).items()):
        pair = _pair(set(named))
        if pair:
            select = {version: f'__name__=~"(.*_)?{version}_.*"' for version in pair}
            return Found(*pair, how=f"metric names such as {named[pair[0]]} and {named[pair[1]]}", select=select)
    return None


def _by_stem(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Names that are alike but for a version: the stem, to each version's name."""
    stems: dict[str, dict[str, str]] = {}
    for name in names:
        match = _IN_A_NAME.search(name)
        if match:
            stem = f"{name[: match.start()]}*{name[match.end() :]}"
            stems.setdefault(stem, {})[match[1]] = name
    return {stem: named for stem, named in stems.items() if len(named) > 1}


def _joined(found: list[Family], pair: tuple[str, str]) -> list[Family]:
    by_name = {each.name: each for each in found}
    joined = []
    for stem, named in sorted(_by_stem(by_name).items()):
        if set(pair) <= set(named):
            both = [by_name[named[version]].labels for version in pair]
            labels = {
                label: both[0].get(label, frozenset()) | both[1].get(label, frozenset())
                for label in both[0].keys() | both[1].keys()
            }
            joined.append(Family(stem.replace("*", f"({'|'.join(pair)})"), labels))
    return joined
