"""What is wrong with a spec's log sources, seen from its files: missing ones, empty ones, formats that read no line."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from bascule.errors import Problem, UsageError
from bascule.logs.parsing.parse import UNPARSED
from bascule.logs.serving.trial import attempt
from bascule.spec import Spec
from bascule.spec.model import LogSource

HALF = 0.5  # of the lines that fit no format: told


def look_at_sources(spec: Spec) -> list[Problem]:
    """Every source of files, by a sample of its newest file's lines.

    What is found may be right: a file comes with its service.
    """
    named = spec.logs.named.items()
    return [found for name, source in named if source.files for found in _look(spec, name, source, source.files)]


def _look(spec: Spec, name: str, source: LogSource, pattern: str) -> Iterator[Problem]:
    place = f"log source {name}"
    files = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    if not files:
        fix = "it is read as soon as there is one; correct `files` if it is elsewhere"
        yield Problem(place, f"no file matches {pattern}", fix)
        return
    filled = [path for path in files if os.path.getsize(path)]
    if not filled:
        yield Problem(place, f"{pattern} has no lines", "check that its service writes to it")
        return
    newest = Path(max(filled, key=os.path.getmtime))
    try:
        trial = attempt(spec, newest, source.formats)
    except UsageError as error:
        yield Problem(place, error.what, error.fix)
        return
    fix = f"run: bascule logs try {newest}"
    unparsed = trial.formats.get(UNPARSED, 0)
    if unparsed > HALF * trial.lines:
        yield Problem(place, f"{unparsed} of {trial.lines} lines fit none of its formats", fix)
    for form in source.formats:
        if not trial.formats[form]:
            yield Problem(place, f"format {form} reads none of {trial.lines} lines of {newest}", fix)
