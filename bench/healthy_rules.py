"""Every generated rule over simulated healthy hours, `for` included: which alerts fire, by name.

The built-in migration at work, simulated: requests, errors and matches are Poisson around the healthy lab's rates,
times fall into buckets at random, traffic rises and falls by half over a day; exporters and judge say what they say on
a healthy machine. promtool evaluates all rules every 30 s. BASCULE_BENCH=24 for so many hours in place of 300.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import yaml

from bascule.conventions import ACTIVE_USERS, Alert
from bascule.generate import write
from bascule.generate.alerting.promtool_cases import healthy
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.processes import programs
from bascule.spec import Spec, load
from bench.harness import Bar, Result

HOURS, CHUNK_HOURS = 300.0, 6.0  # a chunk starts from nothing, as a new Prometheus does
STEP_SECONDS = 30.0
DAY_SECONDS, SWING = 86400.0, 0.5
LEVEL = 0.6  # of the scene's traffic, on average over a day: a partner stays within its quota at the peak too
STANDING_USERS = 2000.0  # of each version and segment
LONG_SPREAD, SPREAD = 0.6, 0.2  # of one time, or of one score or rating, around its mean, as a share of it: the lab's
_COUNTER = re.compile(r"(?P<start>[\d.]+)\+(?P<step>[\d.e+-]+)x\d+")
_CONSTANT = re.compile(r"(?P<start>-?[\d.e+]+)x\d+")
_SUM, _COUNT = "_sum{", "_count{"
_BOUND = re.compile(r'(?<=[{,])le="([^"]+)",?')
_ALERTS = "ALERTS"  # what a quiet case says of another alert; here the rules say it themselves
_CLOCKS = ("uptime", "timestamp", "cpu")  # what goes on by itself
_ABOUT = ("severity", "signal", "target", "user_segment", "partner", "trigger", "sla", "gate")
_FIRED = re.compile(r"\{([^{}]*alertname=[^{}]*)\}")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
Values = np.ndarray[tuple[int], np.dtype[np.float64]]


def run() -> Result:
    hours = float(os.environ.get("BASCULE_BENCH") or HOURS)
    spec, fired = load("supersmartmatch"), Counter[str]()
    steady = series_of(spec)
    with tempfile.TemporaryDirectory() as folder:
        write(spec, Path(folder))
        for chunk in range(math.ceil(hours / CHUNK_HOURS)):
            found = alerts_in(Path(folder), spec, steady, chunk)
            fired.update(found)
            print(f"{(chunk + 1) * CHUNK_HOURS:g} h: {', '.join(found) or 'nothing fired'}", flush=True)
    told = math.ceil(hours / CHUNK_HOURS) * CHUNK_HOURS
    rules = sum(len(group.rules) for group in rule_groups(spec))
    bars = [
        Bar(f"alerts in {told:g} simulated hours", float(sum(fired.values())), "alerts", 0),
        Bar("rules evaluated", float(rules), "rules", None),
    ]
    return Result(bars, {"hours": told, "fired": dict(fired), "chunk_hours": CHUNK_HOURS})


def series_of(spec: Spec) -> dict[str, str]:
    """The healthy scene; and of each alert about an exporter that the scene does not have, what its quiet case says."""
    scene = dict(healthy(spec).series())
    known = {_metric(name) for name in scene}
    for alert in (alert for group in rule_groups(spec) for alert in group.alerts):
        quiet = next((case for case in alert.cases if case.quiet and not case.scene), None)
        for name, text in quiet.series.items() if quiet else ():
            if _is_exported(name, text, known):
                scene.setdefault(name, text)
    return scene


def _is_exported(name: str, text: str, known: set[str]) -> bool:
    """Whether an exporter has it that the scene lacks, and it says the same all the time."""
    is_steady = _CONSTANT.fullmatch(text) or _COUNTER.fullmatch(text)
    is_of_rules = ":" in _metric(name) or _metric(name) == _ALERTS
    return not is_of_rules and _metric(name) not in known and bool(is_steady)


def alerts_in(folder: Path, spec: Spec, steady: Mapping[str, str], seed: int) -> list[str]:
    """The alerts that fired within one chunk, each once, with what it is about."""
    steps = int(CHUNK_HOURS * 3600 / STEP_SECONDS)
    drawn = dict(_drawn(spec, steady, steps, np.random.default_rng(seed)))
    firing = f'max_over_time(ALERTS{{alertstate="firing"}}[{CHUNK_HOURS:g}h])'
    expr = f"count by (alertname, {', '.join(_ABOUT)}) ({firing})"
    test = {
        "rule_files": ["../rules/*.yml"],
        "evaluation_interval": f"{STEP_SECONDS:g}s",
        "group_eval_order": [str(group.name) for group in rule_groups(spec)],
        "tests": [
            {
                "interval": f"{STEP_SECONDS:g}s",
                "input_series": [{"series": name, "values": text} for name, text in drawn.items()],
                "promql_expr_test": [{"expr": expr, "eval_time": f"{CHUNK_HOURS:g}h", "exp_samples": []}],
            }
        ],
    }
    path = folder / "prometheus" / "tests" / "healthy-hours.yml"
    path.write_text(yaml.dump(test, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), width=1 << 30), "utf-8")
    promtool = [str(programs.find("promtool")), "test", "rules", str(path)]
    done = subprocess.run(promtool, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    always = spec.alert_prefix + Alert.DEAD_MANS_SWITCH
    found = [dict(_LABEL.findall(labels)) for labels in _FIRED.findall(told)]
    # the dead man's switch fires in health: without it nothing was evaluated
    assert any(labels["alertname"] == always for labels in found), told[-2000:]
    return sorted(_about(labels) for labels in found if labels["alertname"] != always)


def _about(labels: Mapping[str, str]) -> str:
    """An alert as a person names it: `TargetUnmet gate accuracy gain`."""
    return " ".join(labels[name] for name in ("alertname", *_ABOUT) if name in labels)


def _drawn(spec: Spec, steady: Mapping[str, str], steps: int, luck: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Each series with values of its own. A histogram's buckets rise together; what exporters say is as it is."""
    at_random = set(healthy(spec).series())
    turn = np.arange(steps) * STEP_SECONDS / DAY_SECONDS + luck.random()
    day = LEVEL * (1 + SWING * np.sin(2 * np.pi * turn))
    histograms: dict[str, dict[float, str]] = defaultdict(dict)
    for name in steady:
        if (bound := _BOUND.search(name)) is not None:
            histograms[_BOUND.sub("", name)][float(bound[1])] = name
    for bounds in histograms.values():
        yield from _histogram(steady, [bounds[bound] for bound in sorted(bounds)], day, luck)
    events: dict[str, Values] = {}  # by the labels of a count: at each step
    for name, text in sorted(steady.items(), key=lambda each: _SUM in each[0]):
        if _BOUND.search(name) is not None:
            continue
        if name in at_random and _SUM in name and (counted := name.replace(_SUM, _COUNT)) in events:
            yield name, _text(_sums(_step(text) / _step(steady[counted]), events[counted], name, luck))
            continue
        values = _values(name, text, day, luck if name in at_random else None)
        events[name] = np.diff(values, prepend=0.0)
        yield name, _text(values)


def _sums(mean: float, events: Values, name: str, luck: np.random.Generator) -> Values:
    """What the events of each step come to: many events, large sum, so that a mean is no noisier than its values."""
    spread = LONG_SPREAD if "seconds" in name else SPREAD
    return np.cumsum(mean * (events + spread * np.sqrt(events) * luck.normal(size=len(events))).clip(0.0))


def _histogram(
    steady: Mapping[str, str], names: list[str], day: Values, luck: np.random.Generator
) -> Iterator[tuple[str, str]]:
    below, grown = 0.0, np.zeros(len(day))
    for name in names:
        step = _step(steady[name])
        grown = grown + luck.poisson(np.maximum(step - below, 0.0) * day)
        below = step
        yield name, _text(np.cumsum(grown))


def _values(name: str, text: str, day: Values, luck: np.random.Generator | None) -> Values:
    """A counter's steps at random; what goes with the clock, or does not change, as it is."""
    counter = _COUNTER.fullmatch(text)
    if counter is None:
        constant = _CONSTANT.fullmatch(text)
        assert constant is not None, (name, text)
        return np.full(len(day), float(constant["start"]))
    step, start = float(counter["step"]), float(counter["start"])
    if _metric(name) == ACTIVE_USERS.name:  # a gauge
        return np.full(len(day), STANDING_USERS)
    if luck is None or any(part in _metric(name) for part in _CLOCKS):
        return start + step * np.arange(len(day))
    if _metric(name).endswith("_sum") or "value" in _metric(name):
        events = np.maximum(37.5 * day, 1.0)
        return start + np.cumsum(step * day * np.maximum(luck.normal(1.0, LONG_SPREAD / np.sqrt(events)), 0.0))
    return start + np.cumsum(luck.poisson(step * day))


def _step(text: str) -> float:
    found = _COUNTER.fullmatch(text)
    return float(found["step"]) if found else 0.0


def _text(values: Values) -> str:
    return " ".join(f"{value:.10g}" for value in values)


def _metric(name: str) -> str:
    return name.partition("{")[0]
