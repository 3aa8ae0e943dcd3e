"""What the load balancer says while both versions count nothing: it tells a night from two versions that hang."""

from __future__ import annotations

from bascule.promql.traffic import traffic
from bascule.spec import Matcher, Selector, Spec

REQUESTS_OF_NGINX = "nginx_http_requests_total"
LEAST_REQUESTS, USUAL = 13, 0.5  # in a minute; of what is usual


def unanswered(spec: Spec, silent_for: float) -> str | None:
    """The balancer's requests of the last minute, where they are as many as before both fell silent (seconds ago).

    Empty where the versions had less than half of its requests before: then others are asked. None without a balancer.
    """
    jobs = "|".join(sorted(spec.services_of("nginx")))
    if not jobs:
        return None
    requests, before = Selector(REQUESTS_OF_NGINX).where(Matcher("job", "=~", jobs)), f"[5m] offset {silent_for:.0f}s"
    now, usual = f"sum(increase({requests}[1m]))", f"{USUAL / 5:g} * sum(increase({requests}{before}))"
    own = f"sum(increase({traffic(spec)}{before})) / 5"
    return f"({now} > {LEAST_REQUESTS}) and ({now} > {usual}) and ({own} > {usual})"
