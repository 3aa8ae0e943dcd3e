"""Twenty minutes of a migration, as OpenMetrics text: V2 at half of the traffic for the last fifteen, with a fault in
the last five."""

from __future__ import annotations

import judge_house as house

from bascule.spec import Spec

TRAFFIC = {"enterprise": 40.0, "api_partners": 60.0, "freemium": 100.0}
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}
NOWHERE = dict.fromkeys(HALF, 0.0)
BEGIN, STEP = 1_790_000_000, 2
FAULT, END = BEGIN + 900, BEGIN + 1190
RATE = "sum(rate(http_requests_total{%s}[1m]))"
RULE = {
    "alert": "V2ErrorSpike",
    "expr": RATE % 'version="v2",status="500"' + " / " + RATE % 'version="v2"' + " > 0.02",
    "for": "1m",
}


def scraped_every_two_seconds() -> Spec:
    spec = house.shop_spec()
    scrape = spec.stack.scrape.model_copy(update={"interval": float(STEP), "evaluation": 5.0})
    return spec.model_copy(update={"stack": spec.stack.model_copy(update={"scrape": scrape})})


def openmetrics() -> str:
    one, two = house.Shop("v1", 3, dict(TRAFFIC)), house.Shop("v2", 4, {}, accuracy=0.955, latency=0.014)
    lines: dict[str, list[str]] = {}

    def keep(text: str, at: int, **labels: str) -> None:
        more = "".join(f',{name}="{value}"' for name, value in labels.items())
        for line in text.splitlines():
            name, value = line.rsplit(" ", 1)
            series = name.replace("}", more + "}") if "{" in name else f"{name}{{{more[1:]}}}"
            lines.setdefault(name.split("{")[0], []).append(f"{series} {value} {at}")

    for at in range(BEGIN, BEGIN + 1200, STEP):
        started = at >= BEGIN + 300
        shares = HALF if started else NOWHERE
        for segment, rate in TRAFFIC.items():
            one.rate[segment], two.rate[segment] = rate * (1 - shares[segment]), rate * shares[segment]
        two.errors = {"freemium": 0.05} if at >= FAULT else {}
        for shop in (one, two):
            shop.serve(STEP)
            keep(shop.text(), at, job=f"shop-{shop.version}", instance=f"{shop.version}:1")
            keep("up 1", at, job=f"shop-{shop.version}", instance=f"{shop.version}:1")
        plan = house.plan_text(2 if started else 0, BEGIN + 300 if started else BEGIN, shares)
        keep(plan, at, job="plan", instance="p")
    return "".join(f"# TYPE {name} unknown\n" + "\n".join(part) + "\n" for name, part in lines.items()) + "# EOF\n"
