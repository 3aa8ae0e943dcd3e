"""`python -m chaos [NAME …]`: run worlds, write bench-output/chaos-NAME.json, exit 1 when a bar fails."""

from __future__ import annotations

import sys

from bench import harness

NAMES = ("doubles", "notices", "roles", "rows", "starts")


def main(wanted: list[str]) -> int:
    wanted = wanted or list(NAMES)
    if set(wanted) - set(NAMES):
        print(f"Name a world: make chaos NAME=<{'|'.join(NAMES)}>", file=sys.stderr)
        return 2
    return max(harness.run(f"chaos.{name}", f"chaos-{name}") for name in wanted)


if __name__ == "__main__":
    sys.exit(main([name for argument in sys.argv[1:] for name in argument.split(",")]))
