"""Coverage-guided fuzzing by atheris (libFuzzer), which `make fuzz` installs; the arguments are libFuzzer's.

    make fuzz                               every harness of this folder, each for a minute
    make fuzz NAME=webhook SECONDS=600

What is found stays in .bascule/fuzz, with the inputs that reached new code: the next run begins with them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris

FOLDER = Path(".bascule/fuzz")
sys.path.append(str(Path(__file__).parents[1] / "support"))
# Seconds and megabytes for one input, from which on it is a hang or a bomb; a busy machine takes its time.
LIMITS = ("-timeout=60", "-rss_limit_mb=3000")


def fuzz(check: Callable[[bytes], None], seeds: Iterable[bytes]) -> None:
    """Give `check` inputs that begin as `seeds`; any error of it is a finding."""
    name = Path(sys.argv[0]).stem
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], f"-artifact_prefix={corpus}-", *LIMITS, *sys.argv[1:], str(corpus)], check)
    atheris.Fuzz()
