"""Commands that prove the monitoring: what it covers, whether it is ready, how fast it finds a fault."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule import times
from bascule.cli.options import AsJson, Folder, parse_wait
from bascule.cli.output import app, out, print_json, print_rows, say, stopping
from bascule.cli.spec_option import takes_spec_first
from bascule.errors import UsageError
from bascule.spec import BUILT_IN, Spec

if TYPE_CHECKING:
    from bascule.checklist import ChecklistPhase, Looked
    from bascule.coverage import Covered
    from bascule.scenarios.drills.several import Tried


@app.command()
@takes_spec_first
def coverage(spec: Spec, as_json: AsJson = False) -> None:
    """Show where every metric is recorded, alerted, shown, judged and reported; exit 1 if something is missing."""
    from bascule.coverage import coverage as found_in
    from bascule.coverage import share_covered

    found = found_in(spec)
    share = share_covered(found)
    if as_json:
        print_json({"covered": share, "metrics": [_metric(each) for each in found]})
    else:
        print_rows("metrics and where they are used", [_row(each) for each in found], as_json=False)
        applying = [each for each in found if each.applies]
        percent = floor(1000 * share) / 10  # never 100 where one lacks something
        say(f"{sum(each.is_covered for each in applying)} of {len(applying)} metrics are covered ({percent:g} %)")
        for each in found:
            if each.missing:
                say(f"missing: {each.metric.name}: {', '.join(each.missing)}")
    raise typer.Exit(0 if share == 1 else 1)


def _metric(each: Covered) -> dict[str, Any]:
    metric = each.metric
    return {
        "metric": metric.name,
        "origin": metric.origin,
        "series": [str(series) for series in metric.series],
        **{str(place): list(uses) for place, uses in each.places.items()},
        "not watched because": metric.unwatched,
        "missing": each.missing,
        "not applicable": f"the spec has no {metric.absent}" if metric.absent else "",
    }


def _row(each: Covered) -> dict[str, Any]:
    """The first uses of each place; the JSON has all."""
    if not each.applies:
        return {
            "metric": each.metric.name,
            **dict.fromkeys(map(str, each.places), "-"),
            "missing": f"not applicable: the spec has no {each.metric.absent}",
        }
    told = {str(place): _first(uses) for place, uses in each.places.items()}
    return {"metric": each.metric.name, **told, "missing": ", ".join(each.missing) or None}


def _first(uses: Any) -> str:
    shown = [str(use) for use in uses]
    return f"{shown[0]} (+{len(shown) - 1})" if len(shown) > 1 else "".join(shown)


HARD_RUNS = 3


@app.command()
@takes_spec_first
def drill(
    spec: Spec,
    spec_path: str,
    faults: Annotated[list[str] | None, typer.Option("--fault", metavar="NAME", help="One fault; repeatable.")] = None,
    every: Annotated[bool, typer.Option("--all", metavar="", help="Every fault.")] = False,
    listed: Annotated[bool, typer.Option("--list", metavar="", help="Show the faults.")] = False,
    inject: Annotated[str, typer.Option(metavar="CMD", help="A command that breaks your own staging.")] = "",
    restore: Annotated[str, typer.Option(metavar="CMD", help="A command that repairs it.")] = "",
    runs: Annotated[int, typer.Option(metavar="N", min=1, help="Runs of each fault of class hard (see --list).")] = (
        HARD_RUNS
    ),
    hold: Annotated[
        str, typer.Option(metavar="TIME", help="Keep each fault for at least this time, such as 5m.")
    ] = "0s",
    out_dir: Folder = Path("drill-output"),
    as_json: AsJson = False,
) -> None:
    """Inject faults into the lab and time each until its alert arrives; exit 1 if one is missed or late."""
    from bascule.scenarios.drills import several, shown
    from bascule.scenarios.drills.in_force import alone_in
    from bascule.scenarios.faults import all_faults, fault_named

    if listed:
        within = {f.key: times.lasting(f.bound) if f.bound else "no alarm" for f in all_faults()}
        rows = [{"fault": f.key, "class": str(f.kind), "within": within[f.key], "what": f.title} for f in all_faults()]
        print_rows("faults", rows, as_json)
        return
    if bool(inject) != bool(restore):
        raise UsageError("--inject and --restore belong together", "give both: --restore repairs what --inject breaks")
    if inject and restore:
        raise typer.Exit(_drill_staging(spec, inject, restore, out_dir, as_json))
    _refuse_others(spec_path)
    if not every and not faults:
        raise UsageError("no fault is named", "give --fault NAME, or --all; --list shows them")
    chosen = all_faults() if every else [fault_named(key) for key in faults or ()]
    tell = _quietly if as_json else say
    with stopping() as stop, alone_in(out_dir, tell):
        wanted = several.WantedDrills(chosen, runs, parse_wait(hold), out_dir)
        tried = several.run(wanted, tell, stop, lambda done: shown.write(done, out_dir))
    raise typer.Exit(_show(tried, as_json))


def _drill_staging(spec: Spec, inject: str, restore: str, out_dir: Path, as_json: bool) -> int:
    from bascule.scenarios.drills import shown
    from bascule.scenarios.drills.in_force import alone_in
    from bascule.scenarios.drills.several import Tried
    from bascule.scenarios.drills.staging import OwnFault, drill_staging

    with stopping() as stop, alone_in(out_dir, _quietly if as_json else say):
        tried = [Tried(OwnFault(spec), [drill_staging(spec, inject, restore, stop, out_dir)])]
        shown.write(tried, out_dir)
    return _show(tried, as_json)


def _show(tried: Sequence[Tried], as_json: bool) -> int:
    """What the drills found; the exit code."""
    from bascule.scenarios.drills import shown

    if as_json:
        print_json(shown.document(tried))
    else:
        out.print(shown.table(tried))
    return 1 if any(each.failures for each in tried) else 0


def _quietly(_text: str) -> None:
    """The JSON alone is printed."""


def _refuse_others(spec_path: str) -> None:
    """A drill breaks what it drills: nothing but the lab's own services, which it starts itself."""
    if spec_path != BUILT_IN:
        what = f"{spec_path} is not the lab's: a drill never injects faults into services that it did not start"
        raise UsageError(what, f"drill the lab with `bascule drill {BUILT_IN}`, or give --inject CMD and --restore CMD")


@app.command()
@takes_spec_first
def checklist(
    spec: Spec,
    phase: Annotated[str, typer.Option(help="pre-deployment, deployment or post-deployment.")] = "pre-deployment",
    signed: Annotated[str | None, typer.Option("--sign", metavar="ITEM", help="Sign off this item.")] = None,
    who: Annotated[str, typer.Option(help="Who signs.")] = "",
    note: Annotated[str, typer.Option(help="What the sign-off is based on.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check the running monitoring against the checklist of a phase; exit 1 if an item fails."""
    from bascule import checklist as room
    from bascule.console.proving.checks import keep

    looked = room.Looked(spec)
    if signed is not None:
        _sign(looked, signed, who, note)
        return
    meant = _phase(phase)
    checked = room.check(looked, meant)
    document = room.as_json(spec, meant, checked)
    keep(spec, document)
    if as_json:
        print_json(document)
    else:
        say(room.as_markdown(spec, meant, checked))
    raise typer.Exit(1 if any(each.is_failed for each in checked) else 0)


def _phase(text: str) -> ChecklistPhase:
    from bascule.checklist import ChecklistPhase

    try:
        return ChecklistPhase(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a phase of the checklist", f"phases are: {', '.join(ChecklistPhase)}"
        ) from error


def _sign(looked: Looked, key: str, who: str, note: str) -> None:
    from bascule.checklist import item_named, sign

    if not who:
        raise UsageError("a sign-off must say who signs", "give --who NAME")
    say(f"{key}: {sign(looked, item_named(key), who, note)}")
