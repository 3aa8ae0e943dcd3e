"""A spec proposed from log files alone: their sources, the versions that lines tell, signals of what is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bascule import conventions
from bascule.errors import BasculeError
from bascule.logs.serving.trial import Trial, attempt, sampled_values
from bascule.spec.proposal import USUAL as UNNAMED
from bascule.spec.proposal import Beginning
from bascule.transport import Http

_STEP = re.compile(r"v[0-9]+")
_NAMED = re.compile(r"[A-Za-z][\w.-]*[-_](v[0-9]+)")
HEALTH_PATHS = ("/health", "/healthz", "/ready", "/readyz", "/live", "/ping")
ANSWER_SECONDS = 1.0
_ADDRESS = re.compile(r"[^\s:]+:\d{1,5}")
USUAL = ("v1", "v2")
MOST_SHOWN = 6


def propose_from(files: Sequence[Path], beginning: Beginning = UNNAMED) -> str:
    """The YAML of a spec that `bascule check` accepts; UsageError where a file cannot be read."""
    trials = [attempt(None, file) for file in files]
    versions = _versions(trials)
    return (
        "\n".join([*_head(files), *beginning.lines(), *_named(trials, versions), *_signals(trials), *_sources(trials)])
        + "\n"
    )


def _head(files: Sequence[Path]) -> Iterator[str]:
    yield f"# Proposed by `bascule init --from-logs {' '.join(map(str, files))}`."
    yield "# 'found' is in the lines; 'guessed' is a usual value: correct each guess. Then: bascule check"


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


def _named(trials: Sequence[Trial], versions: tuple[str, ...]) -> Iterator[str]:
    baseline, candidate = versions or USUAL
    how = "found" if versions else "guessed: no line names two of them"
    yield f"versions: {{baseline: {baseline}, candidate: {candidate}}}  # {how}"
    services = {match[1]: text for text in _services(trials) if (match := _NAMED.fullmatch(text))}
    names = {version: services.get(version, f"app-{version}") for version in (baseline, candidate)}
    asked = _asked(trials)
    if len(asked) == len(names):
        yield "services:  # found: what the balancer asked; guessed: which of the two is the new one"
        for (version, name), address in zip(names.items(), asked, strict=True):
            yield f'  {name}: {{targets: ["{address}"], version: {version}{_tells(address)}}}'
        return
    yield (
        f"services:  # guessed; the balancer asked {', '.join(asked[:MOST_SHOWN])}" if asked else "services:  # guessed"
    )
    for number, (version, name) in enumerate(names.items(), 1):
        yield f'  {name}: {{targets: ["127.0.0.1:800{number}"], version: {version}}}'


def _asked(trials: Sequence[Trial]) -> list[str]:
    """The addresses of the servers that a balancer asked; several stand in one line where it tried again."""
    tried = {
        each.strip() for trial in trials for text in sampled_values(trial, "upstream_addr") for each in text.split(",")
    }
    return sorted(
        filter(_ADDRESS.fullmatch, tried), key=lambda text: (text.rpartition(":")[0], int(text.rpartition(":")[2]))
    )


def _tells(address: str) -> str:
    """What a service says of itself: metrics, else a health address."""
    http = Http("the service", f"http://{address}", seconds=ANSWER_SECONDS)
    try:
        if "# TYPE" in http.ask("GET", "/metrics").text:
            return ""
        healthy = next((path for path in HEALTH_PATHS if http.ask("GET", path).is_success), None)
    except BasculeError:
        healthy = None
    finally:
        http.close()
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
    if any(found.name == "response_time" for trial in trials for fields in trial.fields.values() for found in fields):
        yield f"  latency: {{kind: histogram, metric: {times}, unit: seconds, better: lower}}"
    yield "phases:  # guessed"
    yield '  - {share: 10%, hold: 1h, gates: {errors: "<1%"}}'
    yield "  - {share: 100%, hold: 1d}"


def _sources(trials: Sequence[Trial]) -> Iterator[str]:
    yield "logs:"
    yield "  sources:"
    for trial in trials:
        read = ", ".join(f"{name} {number}" for name, number in trial.formats.items())
        yield f"    - {json.dumps(trial.source)}  # found: {read} of {trial.lines} lines"
