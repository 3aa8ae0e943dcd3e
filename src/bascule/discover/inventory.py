"""What a running Prometheus holds of the services: families of series, their labels, and how they name versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from bascule.discover.server import recent
from bascule.prometheus import Prometheus
from bascule.spec import Matcher, Selector
from bascule.spec.presets import Preset, preset_of, presets
from bascule.spec.selector import parse_matchers

SERIES_LOOKED_AT = 2000  # of one metric: enough to see its labels, little enough for any server
METRICS_LOOKED_AT = 400
# Rooms that Bascule and the usual exporters fill: none of them counts a service's requests.
_NOT_OF_SERVICES = re.compile(
    r"(go|process|python|prometheus|alertmanager|bascule|node|redis|nginx|probe|container|kube|machine|promhttp|scrape"
    r"|net_conntrack|blackbox|pushgateway|otel|target)_.*|up|ALERTS.*|.*:.*"
)
_PLAIN = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_VERSION_WORD = re.compile(r"v\d+(?:[._-]\d+)*")
_VERSION_NUMBER = re.compile(r"v?\d+(?:\.\d+)+(?:[-+][\w.]+)?")
_IN_A_METRIC = re.compile(r"(?:^|(?<=[-_.]))(v\d+|canary|stable|blue|green)(?=$|[-_.])")
_IN_A_NAME = re.compile(
    r"(?:^|(?<=[-_.]))(v\d+|canary|stable|blue|green|old|new|baseline|candidate|control|treatment|experiment|primary)(?=$|[-_.@])"
)
# Of a name that only the new one has a word in: `shop` and `shop-canary`.
_ALONE = {"v2": "v1", "canary": "stable", "candidate": "baseline", "new": "old", "experiment": "control"}
_WORDS = (
    ("stable", "canary"),
    ("baseline", "candidate"),
    ("blue", "green"),
    ("old", "new"),
    ("control", "treatment"),
    ("control", "experiment"),
    ("primary", "canary"),
)
_NAMES_OF_SERVICES = ("job", "app", "service", "service_name", "deployment", "container", "proxy")
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
# Labels whose values look like versions and are others': of a protocol, a library, a place, a request.
_NEVER_VERSIONS = re.compile(
    r"le|quantile|instance|job|status|status_code|code|method|port|user_id|endpoint|handler|route|path|view|revision"
    r"|.*(http|flavou?r|protocol|tls|ssl|scope|schema|sdk|runtime|library|zone|region|host|server|scheme|url|python|node).*"
)


@dataclass(frozen=True)
class Family:
    """Series of one name; `name` is a pattern where the version is in it. `labels`: every value seen.

    `counts`: events by label and value, as far as they were looked at.
    """

    name: str
    labels: dict[str, frozenset[str]] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    total: float = 0.0

    @classmethod
    def of(cls, prometheus: Prometheus, selector: Selector) -> Family:
        """What the server holds of a selector."""
        counts: dict[str, dict[str, float]] = {}
        total = 0.0
        for sample in prometheus.instant(f"topk({SERIES_LOOKED_AT}, {recent(selector)})"):
            total += sample.value
            for label, value in sample.labels.items():
                if label != "__name__" and _PLAIN.fullmatch(label):  # a spec holds no quoted names
                    of_label = counts.setdefault(label, {})
                    of_label[value] = of_label.get(value, 0.0) + sample.value
        labels = {label: frozenset(values) for label, values in counts.items()}
        return cls(selector.metric, labels, counts, total)

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


@dataclass(frozen=True)
class Metrics:
    """What a Prometheus holds of the services; `histograms`: names, without suffix, that have buckets."""

    families: list[Family]
    histograms: frozenset[str]
    preset: Preset | None


def metrics(prometheus: Prometheus, where: Sequence[Matcher] = ()) -> Metrics:
    """The services' counters and histograms; `where`: of these series alone."""
    names = list(filter(_PLAIN.fullmatch, prometheus.label_values("__name__")))
    known = {name for preset in presets() for name in preset.metrics}
    counted = [name for name in names if name in known or _is_counted(name)]
    found = [Family.of(prometheus, Selector(name).where(*where)) for name in counted[:METRICS_LOOKED_AT]]
    there = [each for each in found if each.labels or not where]
    histograms = frozenset(name.removesuffix("_bucket") for name in names if name.endswith("_bucket"))
    return Metrics(there, histograms, preset_of({each.name: each.labels for each in there if each.labels}))


def _is_counted(name: str) -> bool:
    return name.endswith(("_total", "_count", "_sum")) and not _NOT_OF_SERVICES.fullmatch(name)


def versions_of(found: list[Family], named: str = "") -> Found | None:
    """The two versions, looked for in labels, then in names of jobs and services, then in metric names.

    `named`: the label in which what serves them, such as a proxy, names them.
    """
    return (_by_given(found, named) if named else None) or _by_label(found) or _by_stems(found) or _by_name(found)


def candidates(found: list[Family]) -> list[str]:
    """Labels that look like versions and have too many of them, with their values."""
    seen = _values(found)
    return [
        f"label {label}: {', '.join(sorted(values, key=_order)[:8])}"
        for label, values in sorted(seen.items(), key=lambda item: (_place(item[0]), item[0]))
        if len(values) > 2
    ]


def of_both(found: list[Family], versions: Found) -> list[Family]:
    """The families that have series of both versions; names that differ by the version alone become one."""
    if versions.label is not None:
        return [each for each in found if each.has(versions.label, (versions.baseline, versions.candidate))]
    picked = _picked(versions)
    if picked:
        return [each for each in found if all(each.has(matcher.label, [matcher.value]) for matcher in picked)]
    return _joined(found, (versions.baseline, versions.candidate))


def series_of(versions: Found) -> tuple[Matcher, ...]:
    """What picks the series of both versions alone; nothing where the version is in the metrics' names."""
    if versions.label is not None:
        return (_either(versions.label, (versions.baseline, versions.candidate)),)
    picked = _picked(versions)
    return (_either(picked[0].label, [matcher.value for matcher in picked]),) if picked else ()


def _picked(versions: Found) -> list[Matcher]:
    """The equality that picks each version; empty where it is not an equality of one label."""
    found = [matcher for text in (versions.select or {}).values() for matcher in parse_matchers(text)]
    return found if all(matcher.operator == "=" for matcher in found) else []


def _either(label: str, values: Iterable[str]) -> Matcher:
    return Matcher(label, "=~", "|".join(map(re.escape, values)))


# ---------------------------------------------------------------- where versions are


def _by_given(found: list[Family], label: str) -> Found | None:
    """Two values with traffic, whatever they are called."""
    counts: dict[str, float] = {}
    for each in found:
        for value, count in each.counts.get(label, {}).items():
            counts[value] = counts.get(value, 0.0) + count
    busy = [value for value, count in counts.items() if count > 0]
    return _of_label(label, *sorted(busy, key=_age)) if len(busy) == 2 else None


def _age(value: str) -> tuple[int, list[tuple[int, str]], str]:
    """The old one first: words by their meaning, then numbers by their order."""
    place = next((pair.index(word) for pair in _WORDS for word in pair if word in re.split(r"[-_.]", value)), 0)
    return place, *_order(value)


def _by_label(found: list[Family]) -> Found | None:
    told = {label: pair for label, values in _values(found).items() if (pair := _pair(values))}
    for label in sorted(told, key=lambda label: (label not in VERSION_LABELS, _place(label), label)):
        return _of_label(label, *told[label])
    return None


def _values(found: list[Family]) -> dict[str, set[str]]:
    """By label, the values that look like versions: those with traffic, where that leaves two."""
    counts: dict[str, dict[str, float]] = {}
    for each in found:
        for label, values in each.labels.items():
            if not _NEVER_VERSIONS.fullmatch(label):
                of_label = counts.setdefault(label, {})
                for value in filter(partial(_is_version, label), values):
                    of_label[value] = of_label.get(value, 0.0) + each.counts.get(label, {}).get(value, 0.0)
    busy = {label: {value for value, count in found.items() if count > 0} for label, found in counts.items()}
    return {label: busy[label] if len(busy[label]) > 1 else set(counts[label]) for label in counts}


def _of_label(label: str, old: str, new: str) -> Found:
    how = f"label {label}"
    names = [_as_name(value) for value in (old, new)]
    if names == [old, new] or names[0] == names[1]:
        return Found(old, new, how, label=label)
    select = {name: str(Matcher(label, "=", value)) for name, value in zip(names, (old, new), strict=True)}
    return Found(names[0], names[1], how, select=select)


def _as_name(value: str) -> str:
    """A value as the name of a version: `2.1` is v2.1, `shop-v1@file` is shop-v1."""
    plain = re.sub(r"[^A-Za-z0-9_.-].*", "", value)
    return plain if plain[:1].isalpha() else f"v{plain}"


def _is_version(label: str, value: str) -> bool:
    named = label in VERSION_LABELS and re.fullmatch(r"\d+", value) is not None
    word = any(value in pair for pair in _WORDS)
    return named or word or bool(_VERSION_WORD.fullmatch(value) or _VERSION_NUMBER.fullmatch(value))


def _pair(values: set[str]) -> tuple[str, str] | None:
    """The old and the new one: a known pair of words, else two numbers, of which there may be no third."""
    for pair in _WORDS:
        if set(pair) <= values:
            return pair
    numbered = sorted((value for value in values if re.search(r"\d", value)), key=_order)
    return (numbered[0], numbered[1]) if len(numbered) == 2 else None


def _order(version: str) -> tuple[list[tuple[int, str]], str]:
    return [_size(number) for number in re.findall(r"[0-9]+", version)], version


def _size(number: str) -> tuple[int, str]:
    """What compares as the number does: there is no bound on the digits of a label's value, and one on an int's."""
    digits = number.lstrip("0")
    return len(digits), digits


def _place(label: str) -> int:
    return VERSION_LABELS.index(label) if label in VERSION_LABELS else len(VERSION_LABELS)


def _by_stems(found: list[Family]) -> Found | None:
    """Names of jobs or services that are alike but for a version."""
    for label in _NAMES_OF_SERVICES:
        names = {name for each in found for name in each.labels.get(label, ())}
        stems = _by_stem(sorted(names), _IN_A_NAME) or _beside_plain(names)
        for stem, named in sorted(stems.items()):
            if pair := _pair(set(named)):
                select = {version: str(Matcher(label, "=", named[version])) for version in pair}
                what = "jobs" if label == "job" else f"values of {label}"
                return Found(*pair, how=f"the {what} {' and '.join(named[v] for v in pair)} ({stem})", select=select)
    return None


def _by_name(found: list[Family]) -> Found | None:
    for _, named in sorted(_by_stem({each.name for each in found}, _IN_A_METRIC).items()):
        pair = _pair(set(named))
        if pair:
            select = {version: f'__name__=~"(.*_)?{version}_.*"' for version in pair}
            return Found(*pair, how=f"metric names such as {named[pair[0]]} and {named[pair[1]]}", select=select)
    return None


def _by_stem(names: Iterable[str], word: re.Pattern[str]) -> dict[str, dict[str, str]]:
    """Names that are alike but for a version, which is in them as `word`: the stem, to each version's name."""
    stems: dict[str, dict[str, str]] = {}
    for name in names:
        for match in word.finditer(name):  # `shop-new-v1`: which word is the version is told by the others' names
            stems.setdefault(f"{name[: match.start()]}*{name[match.end() :]}", {})[match[1]] = name
    return {stem: named for stem, named in stems.items() if len(named) > 1}


def _beside_plain(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Names of which only the new one has a word: `shop` and `shop-canary`."""
    there, found = set(names), dict[str, dict[str, str]]()
    for name in sorted(there):
        match = _IN_A_NAME.search(name)
        if match and match[1] in _ALONE:
            plain = name[: match.start()].rstrip("-_.") + name[match.end() :]
            if plain and plain in there:
                found[plain] = {_ALONE[match[1]]: plain, match[1]: name}
    return found


def _joined(found: list[Family], pair: tuple[str, str]) -> list[Family]:
    by_name = {each.name: each for each in found}
    joined = []
    for stem, named in sorted(_by_stem(by_name, _IN_A_METRIC).items()):
        if set(pair) <= set(named):
            both = [by_name[named[version]].labels for version in pair]
            labels = {
                label: both[0].get(label, frozenset()) | both[1].get(label, frozenset())
                for label in both[0].keys() | both[1].keys()
            }
            joined.append(Family(stem.replace("*", f"({'|'.join(pair)})"), labels))
    return joined
