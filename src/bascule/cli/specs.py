"""Commands about the spec and what is generated from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bascule.cli.output import Folder, SpecPath, app, checked_url, print_json, say, write_file
from bascule.errors import UsageError
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load, starter_text
from bascule.spec.quantities import format_duration


@app.command()
def check(spec: SpecPath) -> None:
    """Tell every problem of a spec, with file, line and mend (exit 2); or that it is well, and how fast it alerts."""
    from bascule.generate.delivery_times import routes

    loaded = load(spec)
    parts = {"service": len(loaded.services), "signal": len(loaded.signals), "phase": len(loaded.phases)}
    say(f"{spec}: ok: {', '.join(_counted(number, name) for name, number in parts.items())}")
    scrape, evaluation = (
        format_duration(each) for each in (loaded.stack.scrape.interval, loaded.stack.scrape.evaluation)
    )
    say(f"from a fault to the message at worst (scrape {scrape} + evaluation {evaluation} + for + group wait):")
    for route in routes(loaded):
        say(f"  {route}")


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


@app.command()
def schema() -> None:
    """Print the JSON Schema of a spec, for editors."""
    print_json(Spec.model_json_schema())


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("bascule.yaml"),
    from_prometheus: Annotated[str | None, typer.Option(help="URL of a Prometheus to propose a spec from.")] = None,
) -> None:
    """Write a starter spec: as short as one can be, or one proposed from what a running Prometheus holds."""
    from bascule.discover import propose

    if path.exists():
        raise UsageError(f"{path} exists", "name another file, or remove it first")
    text = propose(Prometheus(checked_url(from_prometheus))) if from_prometheus is not None else starter_text()
    write_file(path, text, "name a file in a folder that exists and may be written")
    say(f"wrote {path}; edit it, then: bascule check {path}")


@app.command()
def generate(
    spec: SpecPath,
    out_dir: Folder = Path("generated"),
    check_only: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 on drift.")] = False,
    verify: Annotated[str | None, typer.Option(help="Write nothing; ask the Prometheus at this URL.")] = None,
) -> None:
    """Write rules, alerts, their tests and all other configuration from a spec."""
    loaded = load(spec)
    if verify is not None:
        raise typer.Exit(_verify(loaded, verify))
    if check_only:
        raise typer.Exit(_tell_drift(loaded, out_dir))
    _write(loaded, out_dir)


def _verify(spec: Spec, url: str) -> int:
    """Every generated expression asked of a Prometheus; those without an answer are told, with why."""
    from bascule import generate as room
    from bascule.discover import verify

    findings = verify(spec, room.generate(spec), Prometheus(checked_url(url)))
    for finding in findings:
        if finding.state != "ok":
            say(str(finding))
    answered = sum(finding.state == "ok" for finding in findings)
    say(f"{answered} of {len(findings)} expressions have data")
    return 1 if any(finding.state == "error" for finding in findings) else 0


def _tell_drift(spec: Spec, folder: Path) -> int:
    from bascule import generate as room

    drift = room.check(spec, folder)
    for line in drift:
        say(line)
    return 1 if drift else 0


def _write(spec: Spec, folder: Path) -> None:
    from bascule import generate as room

    written = room.write(spec, folder)
    say(f"wrote {len(written)} files below {folder}")
    for path in room.foreign(spec, folder):
        say(f"left alone: {path} is not one of ours")
