"""Commands that prove the monitoring: what it covers, whether it is ready, how fast it finds a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from bascule.cli.output import AsJson, app, print_json, print_rows, say
from bascule.cli.spec_option import takes_spec_first
from bascule.spec import Spec

if TYPE_CHECKING:
    from bascule.coverage import Covered


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
        say(f"{sum(each.is_covered for each in applying)} of {len(applying)} metrics are covered ({share:.1%})")
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
        return {"metric": each.metric.name, **dict.fromkeys(map(str, each.places), "-"), "missing": _absent(each)}
    told = {str(place): _first(uses) for place, uses in each.places.items()}
    return {"metric": each.metric.name, **told, "missing": ", ".join(each.missing) or None}


def _absent(each: Covered) -> str:
    return f"not applicable: the spec has no {each.metric.absent}"


def _first(uses: Any) -> str:
    shown = [str(use) for use in uses]
    return f"{shown[0]} (+{len(shown) - 1})" if len(shown) > 1 else "".join(shown)
