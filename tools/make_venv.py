#!/usr/bin/env python3
"""Make a virtual environment with pip, also where Debian's python3-venv is not installed.

python3 tools/make_venv.py .venv
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import fetch_programs

OLDEST = (3, 11)


def main(folder: Path) -> int:
    if sys.version_info < OLDEST:
        print(
            f"Bascule needs Python {OLDEST[0]}.{OLDEST[1]} or later; this is {sys.version.split()[0]}.", file=sys.stderr
        )
        print("Name another with: make PYTHON=/path/to/python3.11 ...", file=sys.stderr)
        return 1
    print(f"Making the virtual environment {folder}.", flush=True)
    if importlib.util.find_spec("ensurepip"):
        return subprocess.run([sys.executable, "-m", "venv", str(folder)], check=False).returncode
    try:
        _without_ensurepip(folder)
    except (fetch_programs.CannotFetch, subprocess.CalledProcessError) as error:
        print(f"No virtual environment could be made: {error}", file=sys.stderr)
        print("On Debian: sudo apt-get install --no-install-recommends python3-venv", file=sys.stderr)
        return 1
    return 0


def _without_ensurepip(folder: Path) -> None:
    """Debian keeps pip's wheel in a package of its own: unpack that, and let it install itself."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        apt = fetch_programs.Apt(Path(scratch) / "apt")
        apt.update()
        apt.download(("python3-pip-whl",))
        for archive in apt.archives():
            subprocess.run(["dpkg-deb", "-x", str(archive), scratch], check=True)
        wheel = next(Path(scratch).glob("usr/share/python-wheels/pip-*.whl"))
        pip = [str(folder / "bin/python"), f"{wheel}/pip"]
        subprocess.run([*pip, "install", "--quiet", "--no-index", str(wheel)], check=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
