"""Commands about the spec and what is generated from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bascule.cli.output import Folder, PrometheusUrl, app, checked_url, print_json, say, write_file
from bascule.cli.spec_option import takes_spec_first
from bascule.errors import UsageError
from bascule.prometheus import Prometheus
from bascule.spec import Spec, starter_text
from bascule.spec.lint import SLOW_SCRAPE
from bascule.spec.quantities import format_duration

if TYPE_CHECKING:
    from bascule.discover import CheckedExpression


@app.command()
@takes_spec_first
def check(spec: Spec, spec_path: str, prometheus: PrometheusUrl = None) -> None:
    """Validate a spec: every problem with file, line and fix (exit 2), else its signals and how fast it alerts.

    With --prometheus, compare it with that server too: exit 1 if they differ.
    """
    parts = {"service": len(spec.services), "signal": len(spec.signals), "phase": len(spec.phases)}
    say(f"{spec_path}: ok: {', '.join(_counted(number, name) for name, number in parts.items())}")
    for name, role in spec.signal_roles.items():
        how = "inferred" if spec.signals[name].role is None else "declared"
        harm = spec.signals[name].harm_text
        say(f"  {name}: role {role} ({how}){f'; an alarm when worse: {harm}' if harm else ''}")
    _show_delivery_times(spec)
    _show_watcher(spec)
    _show_smallest_breaches(spec)
    _show_sources(spec)
    if prometheus is not None:
        raise typer.Exit(_compare(spec, checked_url(prometheus)))


def _show_delivery_times(spec: Spec) -> None:
    from bascule.generate.alerting.alertmanager_config import told_without_journal
    from bascule.generate.alerting.delivery_times import routes

    scrape, evaluation = (format_duration(each) for each in (spec.stack.scrape.interval, spec.stack.scrape.evaluation))
    say(f"longest time from a fault to its message (scrape {scrape} + evaluation {evaluation} + for + group wait):")
    for route in routes(spec):
        say(f"  {route}")
    if spec.stack.scrape.interval > SLOW_SCRAPE:
        say(f"  warning: with scrapes of {scrape} a fault of a few minutes may be missed; give at most 1m")
    if stand_ins := told_without_journal(spec):
        say(f"told by Alertmanager itself while the incident journal is down: {', '.join(stand_ins)}")


def _show_watcher(spec: Spec) -> None:
    from bascule.generate.alerting.watcher import lacks_watcher

    if why := lacks_watcher(spec):
        say(f"warning: {why}")


def _show_sources(spec: Spec) -> None:
    if spec.logs.sources:
        for ways, names in _ways(spec).items():
            say(f"version of a line of {', '.join(names)}: by the first that tells it of {', '.join(ways)}")
        show_odd_sources(spec)


def show_odd_sources(spec: Spec) -> None:
    """What is odd about the log files that are here; the services may run elsewhere, so it is no fault of the spec."""
    if spec.logs.sources:
        from bascule.logs import look_at_sources  # Arrow takes a moment to load

        for finding in look_at_sources(spec):
            say(f"note: {finding}")


def _ways(spec: Spec) -> dict[tuple[str, ...], list[str]]:
    """The ways to a line's version, in their order, with the sources that have them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, source in spec.logs.named.items():
        found.setdefault(tuple(source.version_from or spec.logs.version_from), []).append(name)
    return found


def _show_smallest_breaches(spec: Spec) -> None:
    from bascule.generate.alerting.smallest_breach import smallest_breaches

    if breaches := list(smallest_breaches(spec)):
        say("smallest miss of a segment's or partner's target that an alert can tell, by its traffic:")
    for breach in breaches:
        say(f"  {breach}")


def _compare(spec: Spec, url: str) -> int:
    from bascule.discover import compare

    compared = compare(spec, Prometheus(url))
    say(f"{url}: {'agrees with the spec' if compared.agrees else 'differs from the spec'}")
    unproven = [finding for finding in compared.signals if finding.state != "ok"]
    for line in (*compared.differences, *unproven):
        say(f"  {line}")
    return 0 if compared.agrees else 1


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
    jobs: Annotated[
        list[str] | None, typer.Option("--job", help="Look at this scrape job alone; may be repeated.")
    ] = None,
    from_logs: Annotated[list[Path] | None, typer.Option(help="A log file to propose a spec from; repeatable.")] = None,
) -> None:
    """Write a starter spec: a minimal one, or one proposed from a running Prometheus or from log files."""
    if path.exists():
        raise UsageError(f"{path} exists", "name another file, or remove it first")
    text = _proposed(from_prometheus, jobs or [], from_logs or [])
    write_file(path, text, "name a file in a folder that exists and is writable")
    say(f"wrote {path}; edit it, then run: bascule check {path}")


def _proposed(url: str | None, jobs: list[str], files: list[Path]) -> str:
    if url is not None and files:
        raise UsageError("--from-prometheus and --from-logs are two ways to begin", "give one of them")
    if url is not None:
        from bascule.discover import propose

        return propose(Prometheus(checked_url(url)), jobs)
    if files:
        from bascule.logs import propose_from

        return propose_from(files)
    return starter_text()


@app.command()
@takes_spec_first
def generate(
    spec: Spec,
    out_dir: Folder = Path("generated"),
    check_only: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 on drift.")] = False,
    verify: Annotated[
        str | None, typer.Option(help="Write nothing; run every expression on the Prometheus at this URL.")
    ] = None,
) -> None:
    """Write rules, alerts, their tests and all other configuration from a spec."""
    if verify is not None:
        raise typer.Exit(_verify(spec, verify))
    if check_only:
        raise typer.Exit(_show_drift(spec, out_dir))
    _write(spec, out_dir)


def _verify(spec: Spec, url: str) -> int:
    """Run every generated expression on a Prometheus; shows those without data, with the reason."""
    from bascule import generate as room
    from bascule.discover import verify

    findings = verify(spec, room.generate(spec), Prometheus(checked_url(url)))
    for line in _told_once(finding for finding in findings if finding.state != "ok"):
        say(line)
    answered = sum(finding.state == "ok" for finding in findings)
    say(f"{answered} of {len(findings)} expressions have data")
    return 1 if any(finding.state == "error" for finding in findings) else 0


def _told_once(findings: Iterable[CheckedExpression]) -> Iterator[str]:
    """A line for each reason, with where it is met first; a missing series leaves many expressions empty."""
    alike: dict[tuple[str, str], list[CheckedExpression]] = {}
    for finding in findings:
        alike.setdefault((finding.state, finding.why or finding.where), []).append(finding)
    for first, *others in alike.values():
        yield f"{first} (and {_counted(len(others), 'more expression')})" if others else str(first)


def _show_drift(spec: Spec, folder: Path) -> int:
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
        say(f"left alone: {path} was not generated by Bascule")
