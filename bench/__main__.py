"""`python -m bench [NAME …]`: run benchmarks, print their bars, write bench-output/, exit 1 when one fails."""

from __future__ import annotations

import pkgutil
import sys

import bench
from bench import harness


def names() -> list[str]:
    found = [module.name for module in pkgutil.iter_modules(bench.__path__) if not module.ispkg]
    return [name for name in found if name not in ("harness", "__main__")]


def main(wanted: list[str]) -> int:
    known = names()
    wanted = wanted or known
    if set(wanted) - set(known):
        print(f"Name a benchmark: make bench NAME=<{'|'.join(known)}>", file=sys.stderr)
        return 2
    return max(harness.run(f"bench.{name}", name) for name in wanted)


if __name__ == "__main__":
    sys.exit(main([name for argument in sys.argv[1:] for name in argument.split(",")]))
