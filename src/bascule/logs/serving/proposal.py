"""A spec proposed from log files alone: their sources, the versions that lines tell, signals of what is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from bascule import conventions
from bascule.errors import BasculeError
from bascule.logs.serving.trial import Trial, attempt, sampled_values
from bascule.spec.addresses import is_target
from bascule.spec.proposal import ERRORS_GATE, WARNING, Beginning, usual_phases, usual_slas
from bascule.spec.proposal import USUAL as UNNAMED
from bascule.transport import Http
from bascule.visible import one_line

_STEP = re.compile(r"v[0-9]{1,18}")
_NAMED = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,78}[-_](v[0-9]{1,18})")  # what a spec takes for a name
HEALTH_PATHS = ("/health", "/healthz", "/ready", "/readyz", "/live", "/ping")
ANSWER_SECONDS = 1.0
USUAL = ("v1", "v2")
_TELLS_VERSIONS = (
    'add to nginx\' log_format: upstream_addr="$upstream_addr" upstream_status="$upstream_status", or give a file of '
    "each version (docs/no-metrics.md)"
)
_TELLS_TIMES = "add to nginx' log_format: rt=$request_time"
MOST_SHOWN = 6


def propose_from(files: Sequence[Path], beginning: Beginning = UNNAMED) -> str:
    """The YAML of a spec that `bascule check` accepts; UsageError where a file cannot be read."""
    trials = [attempt(None, file) for file in files]
    found = _versions(trials)
    of_files = () if found or _asked(trials) else _versions_of(files)
    parts = (
        _head(files),
        _warnings(trials, found, of_files),
        beginning.lines(),
        _named(trials, found or of_files),
        _signals(trials),
        _sources(trials, of_files),
    )
    return "\n".join("\n".join(part) for part in parts) + "\n"


def _head(files: Sequence[Path]) -> Iterator[str]:
    yield f"# Proposed by `bascule init --from-logs {one_line(' '.join(map(str, files)))}`."
    yield "# 'found' is in the lines; 'guessed' is a usual value: correct each guess. Then: bascule check"


def _warnings(trials: Sequence[Trial], found: tuple[str, ...], of_files: tuple[str, ...]) -> Iterator[str]:
    """What is missing in the lines, and what to add to the format of nginx, which others have under other names."""
    asked = _asked(trials)
    if of_files:
        yield f"{WARNING}guessed: each file is of one version; change the two `version` keys of the sources if not"
    elif len(asked) == len(USUAL):
        yield f"{WARNING}guessed: the higher address is the new version; change the two `version` keys if not"
    elif not found:
        yield f"{WARNING}no line tells the versions apart; {_TELLS_VERSIONS}"
    if not _has_times(trials):
        yield f"{WARNING}no line says how long its request took, so there is no latency; {_TELLS_TIMES}"


def _versions(trials: Sequence[Trial]) -> tuple[str, ...]:
    """Two versions that the lines name: in a field, in a service's name, or as a step of a path."""
    fields = {text for trial in trials for text in sampled_values(trial, "version") if _STEP.fullmatch(text)}
    services = {match[1] for text in _services(trials) if (match := _NAMED.fullmatch(text))}
    paths = {
        step
        for trial in trials
        for text in sampled_values(trial, "endpoint")
        for step in text.split("/")
        if _STEP.fullmatch(step)
    }
    found = next((each for each in (fields, services, paths) if len(each) >= 2), set[str]())
    return tuple(sorted(found, key=lambda name: int(name[1:]))[-2:])


def _versions_of(files: Sequence[Path]) -> tuple[str, ...]:
    """Of two files: the version that is in each name, else the usual ones in the order of the files."""
    if len(files) != len(USUAL):
        return ()
    steps = tuple(match[0] if (match := _STEP.search(file.name)) else "" for file in files)
    return steps if all(steps) and len(set(steps)) == len(steps) else USUAL


def _named(trials: Sequence[Trial], versions: tuple[str, ...]) -> Iterator[str]:
    baseline, candidate = sorted(versions, key=lambda name: int(name[1:])) or USUAL
    how = "found" if versions else "guessed: no line names two of them"
    yield f"versions: {{baseline: {baseline}, candidate: {candidate}}}  # {how}"
    services = {match[1]: text for text in _services(trials) if (match := _NAMED.fullmatch(text))}
    names = {version: services.get(version, f"app-{version}") for version in (baseline, candidate)}
    asked = _asked(trials)
    if len(asked) == len(names):
        yield "services:  # found: what the balancer asked; guessed: which of the two is the new one"
        for (version, name), address in zip(names.items(), asked, strict=True):
            yield f"  {name}: {{targets: [{json.dumps(address)}], version: {version}{_tells(address)}}}"
        return
    yield (
        f"services:  # guessed; the balancer asked {', '.join(asked[:MOST_SHOWN])}" if asked else "services:  # guessed"
    )
    for number, (version, name) in enumerate(names.items(), 1):
        yield f'  {name}: {{targets: ["127.0.0.1:800{number}"], version: {version}}}'


def _asked(trials: Sequence[Trial]) -> list[str]:
    """The addresses of the servers that a balancer asked; several are in one line where it tried again."""
    tried = {
        each.strip() for trial in trials for text in sampled_values(trial, "upstream_addr") for each in text.split(",")
    }
    return sorted(filter(is_target, tried), key=lambda text: (text.rpartition(":")[0], int(text.rpartition(":")[2])))


def _tells(address: str) -> str:
    """What a service says of itself: metrics, else a health address."""
    try:
        with closing(Http("the service", f"http://{address}", seconds=ANSWER_SECONDS)) as http:
            if "# TYPE" in http.ask("GET", "/metrics").text:
                return ""
            healthy = next((path for path in HEALTH_PATHS if http.ask("GET", path).is_success), None)
    except BasculeError:
        healthy = None
    return ", metrics: none" + (f", health: {healthy}" if healthy else "")


def _services(trials: Sequence[Trial]) -> set[str]:
    return {text for trial in trials for text in sampled_values(trial, "service")}


def _signals(trials: Sequence[Trial]) -> Iterator[str]:
    """Where a balancer names the servers, each try counts for the version that it asked."""
    counted, timed = conventions.LOG_REQUESTS, conventions.LOG_RESPONSE_TIME
    if _asked(trials):
        counted, timed = conventions.LOG_TRIES, conventions.LOG_TRY_TIME
    requests, times = counted.name, timed.name
    yield "signals:  # what the logs role counts of the lines"
    yield f"  errors: {{kind: ratio, bad: '{requests}{{status=~\"5..\"}}', total: {requests}, better: lower,"
    yield "           harmful_increase: 1pt}  # guessed: the increase"
    if _has_times(trials):
        yield f"  latency: {{kind: histogram, metric: {times}, unit: seconds, better: lower}}"
    yield "# guessed: the steps, how long each is held, and the gates"
    yield from usual_phases(ERRORS_GATE)
    yield from usual_slas("30d")


def _has_times(trials: Sequence[Trial]) -> bool:
    return any(
        found.name == "response_time" for trial in trials for fields in trial.fields.values() for found in fields
    )


def _sources(trials: Sequence[Trial], of_files: tuple[str, ...]) -> Iterator[str]:
    yield "logs:"
    yield "  sources:"
    for trial, version in zip_longest(trials, of_files):
        read = ", ".join(f"{name} {number}" for name, number in trial.formats.items())
        source = trial.source | ({"version": version} if version else {})
        yield f"    - {json.dumps(source)}  # found: {read} of {trial.lines} lines"
