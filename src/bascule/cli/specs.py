"""Commands about the spec and what is generated from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule import times
from bascule.api.servers import prometheus_of
from bascule.cli.access import AccessFile, read_access
from bascule.cli.options import AsJson, Folder, PrometheusUrl, checked_url
from bascule.cli.output import app, print_json, read_file, say, write_file
from bascule.cli.spec_option import USUAL, takes_spec_first
from bascule.conventions import Engine
from bascule.errors import SpecError, UsageError
from bascule.processes import ports
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load, starter_text
from bascule.spec.lint import SLOW_SCRAPE
from bascule.spec.model import Access, Ports
from bascule.spec.proposal import Beginning, warnings_of

if TYPE_CHECKING:
    from bascule.discover import CheckedExpression, Compared


@app.command()
@takes_spec_first
def check(spec_path: str, prometheus: PrometheusUrl = None, as_json: AsJson = False) -> None:
    """Validate a spec: every problem with file, line and fix (exit 2). If valid: its signals and how fast it alerts.

    With --prometheus, also compare it with that server: exit 1 if they differ.
    """
    if as_json:
        raise typer.Exit(_check_as_json(spec_path, prometheus))
    _check(load(spec_path), spec_path, prometheus)


def _check_as_json(path: str, prometheus: str | None) -> int:
    try:
        spec = load(path)
    except SpecError as error:
        print_json({"spec": path, "ok": False, "problems": [asdict(each) for each in error.problems]})
        return error.exit_code
    found = {"spec": path, "ok": True, "problems": [], "signals": list(_signals(spec)), "delivery": _delivery(spec)}
    compared = _compared(spec, checked_url(prometheus)) if prometheus is not None else None
    if compared is not None:
        found["prometheus"] = {
            "agrees": compared.agrees,
            "differences": [str(each) for each in compared.differences],
            "signals": [asdict(each) for each in compared.signals if each.state != "ok"],
        }
    print_json(found)
    return 0 if compared is None or compared.agrees else 1


def _signals(spec: Spec) -> Iterator[dict[str, Any]]:
    for name, role in spec.signal_roles.items():
        how = "inferred" if spec.signals[name].role is None else "declared"
        signal = spec.signals[name]
        yield {
            "signal": name,
            "role": role,
            "how": how,
            "alarm": signal.harm_text or None,
            "lacks_squares": signal.lacks_squares,
        }


def _delivery(spec: Spec) -> list[str]:
    from bascule.generate.alerting.delivery_times import routes

    return [str(route) for route in routes(spec)]


def _check(spec: Spec, spec_path: str, prometheus: str | None) -> None:
    parts = {"service": len(spec.services), "signal": len(spec.signals), "phase": len(spec.phases)}
    say(f"{spec_path}: ok: {', '.join(_counted(number, name) for name, number in parts.items())}")
    for each in _signals(spec):
        alarm = f"; alarms {each['alarm']}" if each["alarm"] else ""
        say(f"  {each['signal']}: role {each['role']} ({each['how']}){alarm}")
        if each["lacks_squares"]:
            say("    warning: it is never compared: how much its values scatter is unknown; declare `sum_of_squares`")
    _show_delivery_times(spec)
    _show_watcher(spec)
    _show_unheard(spec)
    _show_smallest_breaches(spec)
    _show_sources(spec)
    if prometheus is not None:
        raise typer.Exit(_compare(spec, checked_url(prometheus)))


def _show_delivery_times(spec: Spec) -> None:
    scrape, evaluation = (times.lasting(each) for each in (spec.stack.scrape.interval, spec.stack.scrape.evaluation))
    parts = f"scrape {scrape} + evaluation {evaluation} + `for` + group wait"
    say(f"longest time from a fault to its notice, by receiver ({parts}):")
    for route in _delivery(spec):
        say(f"  {route}")
    if spec.stack.scrape.interval > SLOW_SCRAPE:
        say(f"  warning: a fault of a few minutes can be missed at a scrape interval of {scrape}; give at most 1m")
    if stand_ins := spec.notify.first_told:
        say(f"notified by Alertmanager while the incident journal is down: {', '.join(stand_ins)}")


def _show_watcher(spec: Spec) -> None:
    from bascule.generate.alerting.watcher import lacks_watcher

    if why := lacks_watcher(spec):
        say(f"warning: {why}")


def _show_unheard(spec: Spec) -> None:
    from bascule.generate.alerting.alerts_targets import triggers_without_rule

    new = spec.versions.candidate
    for trigger in triggers_without_rule(spec):
        say(f"warning: the trigger {trigger.when} never fires: no service is of {new}; write version: {new} at its own")


def _show_sources(spec: Spec) -> None:
    if spec.logs.sources:
        for ways, names in _ways(spec).items():
            say(f"version of a log line ({', '.join(names)}): from its {', else its '.join(ways)}")
        show_odd_sources(spec)


def show_odd_sources(spec: Spec) -> None:
    """What is odd about the log files that are here; the services may run elsewhere, so it is not a fault of the
    spec."""
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
        say("how far a segment or partner must miss its target before an alert fires, and how soon, by traffic:")
    for breach in breaches:
        say(f"  {breach}")


def _compared(spec: Spec, url: str) -> Compared:
    from bascule.discover import compare

    return compare(spec, prometheus_of(spec, url=url))


def _compare(spec: Spec, url: str) -> int:
    compared = _compared(spec, url)
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
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path(USUAL),
    from_prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="URL of a Prometheus to propose a spec from.")
    ] = None,
    jobs: Annotated[
        list[str] | None, typer.Option("--job", metavar="JOB", help="Use this scrape job only; repeatable.")
    ] = None,
    from_logs: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A log file to propose a spec from; repeatable.")
    ] = None,
    from_openslo: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file of OpenSLO v1 documents to propose a spec from; repeatable."),
    ] = None,
    access: AccessFile = None,
) -> None:
    """Write a starter spec: minimal, or proposed from a running Prometheus, log files or OpenSLO documents."""
    if path.exists():
        raise UsageError(f"{path} already exists", "name another file, or remove it first")
    if sum(map(bool, (from_prometheus, from_logs, from_openslo))) > 1:
        raise UsageError("more than one --from-... option is given", "give one of them")
    text = _proposed(from_prometheus, jobs or [], from_logs or [], from_openslo or [], _beginning(path), access)
    write_file(path, text, "name a file in a folder that exists and is writable")
    for line in warnings_of(text):
        say(line)
    say(f"wrote {path}; edit it, then run: bascule check {path}")


def _beginning(path: Path) -> Beginning:
    """Named like the file, or like its folder where it has the usual name; on ports that are free here."""
    usual = path.stem == Path(USUAL).stem
    name = re.sub(r"[^A-Za-z0-9-]+", "-", path.absolute().parent.name if usual else path.stem).strip("-")
    usual_ports: dict[str, int] = Ports().model_dump()
    wanted = ports.free_together(usual_ports)
    return Beginning(name if name[:1].isalpha() else "migration", {} if wanted == usual_ports else wanted)


def _proposed(
    url: str | None, jobs: list[str], logs: list[Path], slos: list[Path], beginning: Beginning, access: Path | None
) -> str:
    """From the one thing that is given, else the starter."""
    if url is not None:
        return _from_prometheus(checked_url(url), jobs, beginning, read_access(access))
    if logs:
        from bascule.logs import propose_from

        return propose_from(logs, beginning)
    if slos:
        from bascule.discover import propose_from_slos

        return propose_from_slos(slos, beginning)
    return starter_text()


def _from_prometheus(url: str, jobs: list[str], beginning: Beginning, access: Access) -> str:
    from bascule.discover import propose

    given = access.model_dump(mode="json", exclude_defaults=True)
    if given:
        beginning = replace(beginning, access=f"{{prometheus: {json.dumps(given)}}}")
    return propose(Prometheus(url, credentials=access.credentials), jobs, beginning)


@app.command()
@takes_spec_first
def generate(
    spec: Spec,
    out_dir: Folder = Path("generated"),
    check_only: Annotated[
        bool, typer.Option("--check", metavar="", help="Write nothing; exit 1 if a file is out of date.")
    ] = False,
    verify: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Write nothing; run every expression on the Prometheus at this URL."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="What evaluates the rules: for VictoriaMetrics, also those that its vmalert takes.")
    ] = Engine.PROMETHEUS,
    as_json: AsJson = False,
) -> None:
    """Write rules, alerts, their tests and all other configuration from a spec."""
    if verify is not None:
        raise typer.Exit(_verify(spec, verify, as_json))
    if check_only:
        raise typer.Exit(_show_drift(spec, out_dir, engine, as_json))
    _write(spec, out_dir, engine, as_json)


def _verify(spec: Spec, url: str, as_json: bool) -> int:
    """Run every generated expression on a Prometheus; shows those without data, with the reason."""
    from bascule import generate as room
    from bascule.discover import verify

    findings = verify(spec, room.generate(spec), prometheus_of(spec, url=checked_url(url)))
    is_refused = any(finding.state == "error" for finding in findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
        return int(is_refused)
    for line in _told_once(finding for finding in findings if finding.state != "ok"):
        say(line)
    answered = sum(finding.state == "ok" for finding in findings)
    say(f"{answered} of {len(findings)} expressions have data")
    return int(is_refused)


def _told_once(findings: Iterable[CheckedExpression]) -> Iterator[str]:
    """A line for each reason, with where it is met first; a missing series leaves many expressions empty."""
    alike: dict[tuple[str, str], list[CheckedExpression]] = {}
    for finding in findings:
        alike.setdefault((finding.state, finding.why or finding.where), []).append(finding)
    for first, *others in alike.values():
        yield f"{first} (and {_counted(len(others), 'more expression')})" if others else str(first)


def _show_drift(spec: Spec, folder: Path, engine: Engine, as_json: bool) -> int:
    from bascule import generate as room

    drift = room.check(spec, folder, engine)
    if as_json:
        print_json(drift)
    for line in drift if not as_json else ():
        say(line)
    return 1 if drift else 0


def _write(spec: Spec, folder: Path, engine: Engine, as_json: bool) -> None:
    from bascule import generate as room

    written = room.write(spec, folder, engine)
    if as_json:
        print_json({"written": written, "not changed": room.foreign(spec, folder, engine)})
        return
    say(f"wrote {len(written)} files below {folder}")
    for path in room.foreign(spec, folder, engine):
        say(f"not changed: {path} was not generated by Bascule")


Theirs = Annotated[
    Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Your own file; it is not changed.")
]


@app.command()
@takes_spec_first
def merge(
    spec: Spec, out_dir: Folder = Path("merged"), prometheus_config: Theirs = None, alertmanager_config: Theirs = None
) -> None:
    """Add Bascule's entries to copies of your own prometheus.yml and alertmanager.yml."""
    from bascule import generate as room
    from bascule.stack import config_folder

    config = config_folder(spec)
    made = {
        "prometheus.yml": room.merged_prometheus(spec, _read(prometheus_config), config),
        "alertmanager.yml": room.merged_alertmanager(spec, _read(alertmanager_config), config),
    }
    given = {"prometheus.yml": prometheus_config, "alertmanager.yml": alertmanager_config}
    named = [name for name, path in given.items() if path is not None] or list(given)
    out_dir.mkdir(parents=True, exist_ok=True)
    for name in named:
        write_file(out_dir / name, made[name], "give another --out")
        what = "yours, with Bascule's entries" if given[name] is not None else "Bascule's entries, to add to yours"
        say(f"wrote {out_dir / name}: {what}")
    say("check them (promtool check config, amtool check-config), put them in place of yours, and reload both")
    say(f"the rules are read from {config / 'prometheus' / 'rules'}, where `bascule up` writes them")


def _read(path: Path | None) -> str:
    return read_file(path) if path is not None else ""
