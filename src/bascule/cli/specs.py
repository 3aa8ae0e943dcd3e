"""Commands about the spec and what is generated from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.output import Folder, SpecPath, app, print_json, say, write_file
from bascule.errors import UsageError
from bascule.spec import Spec, built_in_text, load


@app.command()
def check(spec: SpecPath) -> None:
    """Tell every problem of a spec, with file, line and mend (exit 2), or that there is none (exit 0)."""
    loaded = load(spec)
    say(f"{spec}: ok: {len(loaded.services)} services, {len(loaded.signals)} signals, {len(loaded.phases)} phases")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec, for editors."""
    print_json(Spec.model_json_schema())


@app.command()
def init(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("bascule.yaml")) -> None:
    """Write a starter spec: the built-in one, to be edited."""
    if path.exists():
        raise UsageError(f"{path} exists", "name another file, or remove it first")
    write_file(path, built_in_text(), "name a file in a folder that exists and may be written")
    say(f"wrote {path}; edit it, then: bascule check {path}")


@app.command()
def generate(
    spec: SpecPath,
    out_dir: Folder = Path("generated"),
    check_only: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 on drift.")] = False,
) -> None:
    """Write rules, alerts, their tests and all other configuration from a spec."""
    from bascule import generate as room

    loaded = load(spec)
    if check_only:
        drift = room.check(loaded, out_dir)
        for line in drift:
            say(line)
        raise typer.Exit(1 if drift else 0)
    written = room.write(loaded, out_dir)
    say(f"wrote {len(written)} files below {out_dir}")
    for path in room.foreign(loaded, out_dir):
        say(f"left alone: {path} is not one of ours")
