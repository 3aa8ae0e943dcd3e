"""What is wrong with a spec's log sources as the files stand: missing ones, empty ones, formats that read no line."""

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
    return [
        Problem(f"log source {name}", what, fix)
        for name, source in spec.logs.named.items()
        if source.files
        for what, fix in _look(spec, source, source.files)
    ]


def _look(spec: Spec, source: LogSource, pattern: str) -> Iterator[tuple[str, str]]:
    files = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    if not files:
        fix = "it is read as soon as there is one; correct `files` if it is elsewhere"
        yield f"no file matches {pattern}", fix
        return
    filled = [path for path in files if os.path.getsize(path)]
    if not filled:
        yield f"{pattern} has no lines", "check that its service writes to it"
        return
    newest = Path(max(filled, key=os.path.getmtime))
    try:
        trial = attempt(spec, newest, source.formats)
    except UsageError as error:
        yield error.what, error.fix
        return
    fix = f"run: bascule logs try {newest}"
    unparsed = trial.formats.get(UNPARSED, 0)
    if unparsed > HALF * trial.lines:
        yield f"{unparsed} of {trial.lines} lines fit none of its formats", fix
    for form in source.formats:
        if not trial.formats[form]:
            yield f"format {form} reads none of {trial.lines} lines of {newest}", fix
