"""Writing what was generated: all files or none, foreign files left alone, drift told.

A manifest in the folder lists the files of the last run with their digests. A file that is in it and is no
longer generated is removed; a file that is not in it is foreign and is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from bascule.errors import UsageError

MANIFEST = ".bascule-manifest.json"


def write_files(files: Mapping[str, str], out: Path) -> list[Path]:
    """Write `files` (relative path to text) under `out`; the paths written, in order."""
    known = read_manifest(out)
    _refuse_outside(files, out)
    _refuse_foreign(files, known, out)
    digests = {name: _digest(text.encode()) for name, text in files.items()}
    # Should we be ended between two files, the next run must know that those are ours.
    _put({MANIFEST: _manifest(known | digests)}, out)
    _put(files, out)
    _remove_stale(files, known, out)
    _put({MANIFEST: _manifest(digests)}, out)
    return [out / name for name in files]


def drift(files: Mapping[str, str], out: Path) -> list[str]:
    """What in `out` differs from `files`, one sentence each; empty when nothing does."""
    changed = [problem for name, text in files.items() if (problem := _difference(out / name, name, text))]
    stale = [
        f"{name}: no longer generated" for name in read_manifest(out) if name not in files and (out / name).exists()
    ]
    return changed + stale


def foreign_files(files: Mapping[str, str], out: Path) -> list[Path]:
    """Files under `out` that no run of ours wrote."""
    own = {out / name for name in (*files, *read_manifest(out), MANIFEST)}
    return sorted(path for path in out.rglob("*") if path.is_file() and path not in own) if out.is_dir() else []


def read_manifest(out: Path) -> dict[str, str]:
    """Digest of each file of the last run; empty when there was none."""
    path = out / MANIFEST
    if not path.exists():
        return {}
    try:
        files = json.loads(path.read_text("utf-8"))["files"]
        known = {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "remove it and generate into an empty folder") from error
    _refuse_outside(known, out)
    return known


def _refuse_outside(names: Iterable[str], out: Path) -> None:
    """Neither a manifest that somebody edited nor a link to another folder leads out of `out`."""
    inside = out.resolve()
    for name in names:
        if not (out / name).parent.resolve().is_relative_to(inside) or ".." in Path(name).parts:
            raise UsageError(
                f"{out / name} is not inside {out}",
                f"remove its line from {out / MANIFEST}, or the link that leads there",
            )


def _refuse_foreign(files: Mapping[str, str], known: Mapping[str, str], out: Path) -> None:
    for name, text in files.items():
        path = out / name
        if path.exists() and name not in known and (path.is_dir() or path.read_bytes() != text.encode()):
            raise UsageError(f"{path} was not written by bascule generate", "move it away, or give another --out")


def _put(files: Mapping[str, str], out: Path) -> None:
    """Every file beside its target first, then each in one step: a full disk leaves all as it was."""
    waiting: list[tuple[Path, Path]] = []
    try:
        for name, text in files.items():
            waiting.append((out / name, _waiting(out / name, text)))
        for target, new in waiting:
            os.replace(new, target)
    finally:
        for _, new in waiting:
            new.unlink(missing_ok=True)


def _waiting(target: Path, text: str) -> Path:
    """The text on disk beside its target, ready to take its place in one step."""
    new = target.with_name(f".{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, "utf-8")
    except OSError as error:
        if target.parent.is_dir():
            new.unlink(missing_ok=True)
        raise UsageError(f"{target} cannot be written: {error.strerror}", "give another --out") from error
    return new


def _remove_stale(files: Mapping[str, str], known: Mapping[str, str], out: Path) -> None:
    """Remove what we wrote before and no longer write; what somebody has edited since is theirs."""
    for name, digest in known.items():
        path = out / name
        if name not in files and path.is_file() and _digest(path.read_bytes()) == digest:
            path.unlink()


def _difference(path: Path, name: str, text: str) -> str:
    if not path.is_file():
        return f"{name}: missing"
    return "" if path.read_bytes() == text.encode() else f"{name}: differs from the spec"


def _manifest(digests: Mapping[str, str]) -> str:
    return json.dumps({"files": dict(sorted(digests.items()))}, indent=2) + "\n"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
