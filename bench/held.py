"""A whole stack under load for ten minutes on two cores, then twice as much each minute until it says it is too much.

    make bench NAME=held                         about 18 min; needs 2 GB of disk
    BASCULE_BENCH=quick make bench NAME=held     half a minute, and two doublings: to see that it works

`bascule up` with its Prometheus and Alertmanager; eight services of 500 series each, scraped each second; 2,000 lines
of access log a second; 50 open pages. The senders share the two cores, and are counted apart: they are processes of
their own. Lags are those of Bascule's own metrics; what a viewer sees is dated by what the page says of the plan. The
load is doubled as a whole (series, lines, viewers), then it goes back, and the recovery is timed.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bench.harness import Bar, Result
from bench.holding.doubling import RECOVERED, Plan, bars_of, doubled, hold, recovered, story, table, wait_settled
from bench.holding.standing import Load, standing

QUICK = os.environ.get("BASCULE_BENCH") == "quick"
LOAD = Load(series=500, lines=2000.0, viewers=50)
PLAN = Plan(seconds=25, doublings=2, step=10) if QUICK else Plan(seconds=600, doublings=4, step=60)


def run() -> Result:
    with tempfile.TemporaryDirectory(prefix="bascule-held-") as name, standing(Path(name), LOAD) as house:
        wait_settled(house)
        base = hold(house, LOAD, 1, PLAN.seconds)
        lines = house.settle_logs()
        print(f"  the load for {PLAN.seconds:g} s\n{table(base.costs)}", flush=True)
        steps = []
        for held, said in doubled(house, LOAD, PLAN):
            steps.append((held, said))
            print("\n".join(story(held, said)), flush=True)
        seconds = recovered(house, LOAD)
        house.wait_answers()
        lines_of_all = house.settle_logs()
        crashes = house.crashes
    last = steps[-1][0]
    bars = [
        *bars_of(base),
        Bar("log lines that were sent, of those asked for", base.sent["lines a second"] / LOAD.lines, "",
            0.99, "at_least"),
        Bar("log lines lost", abs(lines["written"] - lines["stored"]), "lines", 0),
        Bar("log lines not understood, and problems of reading them", lines["problems"], "problems", 0),
        Bar(f"seconds from {last.factor} times the load to none of this late", seconds, "s", RECOVERED),
        Bar("log lines lost, with all that was too much", abs(lines_of_all["written"] - lines_of_all["stored"]),
            "lines", 0),
        Bar("load at which something gave way", next((h.factor for h, _ in steps if h.first), None), "x", None),
        Bar("load at which it was told", next((h.factor for h, said in steps if any(said.values())), None), "x", None),
        Bar("crashes of what the bench started", len(crashes), "crashes", 0),
    ]  # fmt: skip
    raw = {
        "load": vars(LOAD),
        "base": base.raw,
        "lines": {"base": lines, "in all": lines_of_all},
        "doubled": [held.raw | {"first": held.first.name if held.first else None, "said": s} for held, s in steps],
        "crashes": crashes,
        "load average": os.getloadavg(),
    }
    return Result(bars, raw)
