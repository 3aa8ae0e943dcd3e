"""`python -m chaos [NAME …]`: run worlds, write bench-output/chaos-NAME.json, exit 1 when a bar fails."""

from __future__ import annotations

import importlib
import sys

from bench import harness

NAMES = ("notices", "rows", "starts")


def main(wanted: list[str]) -> int:
    wanted = wanted or list(NAMES)
    if set(wanted) - set(NAMES):
        print(f"Name a world: make chaos NAME=<{'|'.join(NAMES)}>", file=sys.stderr)
        return 2
    return max(_run(name) for name in wanted)


def _run(name: str) -> int:
    print(f"== {name}", flush=True)
    result = importlib.import_module(f"chaos.{name}").run()
    path = harness.write(f"chaos-{name}", result)
    print(harness.table(result))
    print(f"written to {path}")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main([name for argument in sys.argv[1:] for name in argument.split(",")]))
