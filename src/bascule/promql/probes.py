"""What probes from outside tell: until when a certificate is valid, and why a probe fails."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from bascule.conventions import Recorded, certificate_job, probe_job
from bascule.promql.expressions import among, labelled
from bascule.promql.scrapes import PROBED, watched
from bascule.spec import Spec

_BY = "max by (job, instance)"
_KEPT = "1h"  # how long a Prometheus may be away without forgetting the last expiry that it knew


def certificate_expiry(spec: Spec) -> str:
    """When the certificate of each https probe expires, by (job, instance), as last known; in Unix seconds."""
    own = _jobs(spec, "https")
    seen = f"{_BY} (probe_ssl_earliest_cert_expiry{{{own}}})"
    last = f"last_over_time({Recorded.CERTIFICATE_EXPIRY}{{{own}}}[{_KEPT}])"
    return f"{_certificates(_https(spec), 'probe_ssl_earliest_cert_expiry')}\nor\n{seen}\nor\n{last}"


def probe_failure(spec: Spec, gives_up: float) -> str:
    """Why each probe that fails does so: 1 by (job, instance, reason), one reason for each.

    `gives_up`: the seconds after which the exporter does.
    """
    failed = f"count by (job, instance) (probe_success{{{_jobs(spec)}}} == 0)"
    reasons = [
        *_connection(spec, failed, gives_up),
        *_certificate(spec, failed),
        labelled(failed, _REASON, "no connection"),
    ]
    return "\nor on (job, instance)\n".join(reasons)


_REASON = "reason"


def _connection(spec: Spec, failed: str, gives_up: float) -> Iterator[str]:
    yield _because("its name is not resolved", failed, f"probe_ip_protocol{{{_jobs(spec)}}} == 0")
    if web := _jobs(spec, "http", "https"):
        answers = f'count_values by (job, instance) ("status", probe_http_status_code{{{web}}} > 0)'
        told = f'label_replace({answers}, "{_REASON}", "it answers $1", "status", "(.+)")'
        yield f"max by (job, instance, {_REASON}) ({told}) and on (job, instance) {failed}"
    yield _because("time-out", failed, f"probe_duration_seconds{{{_jobs(spec)}}} >= {0.9 * gives_up:g}")


def _certificate(spec: Spec, failed: str) -> Iterator[str]:
    """The exporter does not say what is wrong with a certificate: a second look takes any, and tells of it."""
    if not _https(spec):
        return
    shaken = f'probe_http_duration_seconds{{{_jobs(spec, "https")},phase="tls"}} > 0'
    expiry = _certificates(_https(spec), "probe_ssl_earliest_cert_expiry")
    yield _because("the connection is closed without an answer", failed, shaken)
    yield _because("its certificate has expired", failed, f"{expiry} <= time()")
    for name in _https(spec):
        if known := _names(spec.probes[name].host):
            other = _certificates([name], "probe_ssl_last_chain_info", f',subjectalternative!~"{known}"')
            yield _because("its certificate is for another name", failed, other)
    yield _because("its certificate is not trusted", failed, expiry)


def _because(reason: str, failed: str, condition: str) -> str:
    return labelled(f"{failed} and on (job, instance) ({condition})", _REASON, reason)


def _names(host: str) -> str:
    """The pattern of names that a certificate of this host has, or of no names; nothing for an address.

    The exporter tells a certificate's names, not its addresses.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        wildcard = f"[*].{host.partition('.')[2]}"
        own = "|".join(name.replace(".", "[.]") for name in (host, wildcard))
        return f"|(?i:(.*,)?({own})(,.*)?)"
    return ""


def _certificates(probes: list[str], series: str, more: str = "") -> str:
    """A series of the looks that take any certificate, under the job of the probe itself."""
    inner = f"{series}{{{among('job', [certificate_job(name) for name in probes])}{more}}}"
    return f'{_BY} (label_replace({inner}, "job", "{probe_job("$1")}", "job", "{certificate_job("(.+)")}"))'


def _https(spec: Spec) -> list[str]:
    return [name for name, probe in spec.probes.items() if probe.kind == "https"]


def _jobs(spec: Spec, *kinds: str) -> str:
    """The matcher for the probes of these kinds, of all without any; empty where there are none."""
    jobs = [probe_job(name) for name, probe in spec.probes.items() if not kinds or probe.kind in kinds]
    if not kinds or "http" in kinds:
        own = {probe_job(name) for name in spec.probes}
        jobs += [job for job, metric in watched(spec).items() if metric == PROBED and job not in own]
    return among("job", jobs) if jobs else ""
