"""The judge's reading of a random world beside the plain one: the same looks to the bit, whatever the world."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from judge_arrivals import BOUNDS, Arrivals, drawn, evaluations, spec
from plain_sampling import PlainSampling

from bascule.judge import Alignment, JointLook, SampleReader, Schema

SETTLE, SECONDS = 0.4, 25


def looks_of(
    samples: list[Any], at: list[float], shuffled: np.random.Generator | None = None
) -> tuple[list[JointLook], list[dict[float, float]]]:
    """What a world is read as, evaluated at these moments: the evaluations, and the availability at each moment."""
    source, schema = Arrivals(samples, shuffled=shuffled), Schema(spec(), BOUNDS)
    reader = SampleReader(schema, source)
    alignment = Alignment(reader.instances, len(schema.columns))
    found, availability, until = [], [], at[0] - 15
    for source.now in at:
        for news in reader.take(reader.fetch_on(until, source.now, alignment)):
            alignment.add(news)
        found += alignment.take(source.now - SETTLE)
        until = source.now
        [scrapes] = reader.attendance.at(source.now).services
        seconds, means = np.floor(scrapes.times), scrapes.found / scrapes.came
        availability.append(dict(zip(seconds.tolist(), means.tolist(), strict=True)))
    return found, availability


def check(seed: int) -> None:
    """Assert that the plain reading of this world has the same looks; series come in any order, and twice."""
    samples, at, schema = drawn(seed, SECONDS), evaluations(seed, SECONDS), Schema(spec(), BOUNDS)
    looks, availability = looks_of(samples, at, np.random.default_rng(seed) if seed % 2 else None)
    plain, last, expected = PlainSampling(schema, SETTLE), -math.inf, []
    for now, shown in zip(at, availability, strict=True):
        expected += plain.tick(now, [each for each in samples if last < each.arrival <= now])
        assert shown == pytest.approx(plain.availability(now), abs=1e-9)
        last = now
    assert [(look.time, look.seconds, look.since) for look in looks] == [
        (look.time, look.seconds, look.since) for look in expected
    ]
    for look, other in zip(looks, expected, strict=True):
        brought = np.zeros_like(look.increments)
        for (version, column), amount in other.brought.items():
            brought[version, column] = amount
        np.testing.assert_array_equal(look.increments, brought)
