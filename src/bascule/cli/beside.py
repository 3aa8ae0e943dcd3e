"""What a command says of a Prometheus that runs elsewhere, and that lacks jobs of Bascule's."""

from __future__ import annotations

from bascule.api.servers import prometheus_of
from bascule.cli.output import complain, say
from bascule.errors import BasculeError
from bascule.spec import Spec

ASK_SECONDS = 2.0


def say_missing_jobs(spec: Spec) -> None:
    """Names the jobs that it does not scrape, with the lines to add; nothing where there are none."""
    if "prometheus" not in spec.stack.external:
        return
    from bascule.generate import missing_jobs

    url = spec.stack.url("prometheus")
    try:
        lacking = missing_jobs(spec, {target.job for target in prometheus_of(spec, ASK_SECONDS).targets()})
    except BasculeError as error:
        complain(f"which jobs are scraped is not known: {error.what}")
        return
    if lacking:
        say(f"note: Prometheus at {url} does not scrape {', '.join(lacking)}; add to its scrape_configs:")
    for line in lacking.values():
        say(f"  {line}")
