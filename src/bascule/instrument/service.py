"""The object a service makes once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry

from bascule.conventions import BUILD_INFO, ENDPOINT, MONITORING_AGENTS, UNKNOWN, VERSION
from bascule.instrument import asgi as asgi_side
from bascule.instrument import wsgi as wsgi_side
from bascule.instrument.asgi import AsgiApp, AsgiMiddleware
from bascule.instrument.core import core_of
from bascule.instrument.describe import (
    Describe,
    Find,
    Interface,
    Source,
    TraceSource,
    endpoint_of,
    matched_again,
    safe,
    safe_trace,
)
from bascule.instrument.multiprocess import directory
from bascule.instrument.recorder import Recorder
from bascule.instrument.requests import AdmitEndpoint, Requests, guarded, trusting
from bascule.instrument.starlette import StarletteRoutes
from bascule.instrument.wsgi import WsgiApp, WsgiMiddleware

if TYPE_CHECKING:
    from flask import Flask

SEGMENT_HEADER = "X-User-Segment"
PARTNER_HEADER = "X-Partner"
VERSION_VARIABLE = "BASCULE_VERSION"
MOST_ROUTES = 50  # of an application that declares no endpoints; each has some twenty series per segment

Routes = Callable[[], Iterator[tuple[str, str]]]  # (template, method)


def no_routes() -> Iterator[tuple[str, str]]:
    return iter(())


class Instrument(Recorder):
    """A service's metrics: `version` is fixed, or a callable that finds it in each request.

    `config` is the path of an `instrument.json`, by default that of the environment variable BASCULE_INSTRUMENT.
    `metrics_path` is where applications answer with their metrics; None: nowhere, see `metrics_app`.
    `trace_id` finds the trace of a request for exemplars, which prometheus_client has in single-process mode only.
    `uncounted` are beginnings of User-Agents whose requests are not counted: scrapes and probes; (): count them, too.

    Of each application, `segment` and `partner` are the name of a header, or a callable. Callables are given the
    `flask.Request`, the WSGI environ or the ASGI scope; where one raises, the label is `unknown` and it is counted.
    """

    def __init__(
        self,
        version: Source | None = None,
        config: Path | str | None = None,
        registry: CollectorRegistry | None = None,
        *,
        revision: str = UNKNOWN,
        metrics_path: str | None = "/metrics",
        trace_id: TraceSource | None = None,
        uncounted: Iterable[str] = MONITORING_AGENTS,
    ) -> None:
        self.registry = registry or REGISTRY
        super().__init__(core_of(self.registry, config))
        self.version: Source = version or os.environ.get(VERSION_VARIABLE) or UNKNOWN
        self._metrics_path = metrics_path
        self._trace_id = trace_id
        self._uncounted = tuple(uncounted)
        self._start(revision)

    def _start(self, revision: str) -> None:
        core, version = self._core, self.version
        for each in self._versions():
            core.start_at_zero(each)
        if isinstance(version, str) and version != UNKNOWN:
            core.labels.declare(VERSION, (version,))
            core.families[BUILD_INFO].labels(version, revision).set(1)

    def _versions(self) -> tuple[str, ...]:
        return (self.version,) if isinstance(self.version, str) else self._core.config.versions

    def _start_routes(self, routes: Routes) -> Callable[[], None]:
        """To be called at each scrape: at the first, when the application has them all, its routes exist at zero.

        Not if `instrument.json` declares endpoints, nor if they are so many that their zeros would weigh.
        """

        @cache
        def start() -> None:
            try:
                found = list(islice(routes(), MOST_ROUTES + 1))
            except Exception as error:  # noqa: BLE001 - a framework's odd routes must not cost the page; it is counted
                self._core.problems.note("routes", error)
                return
            if not self._core.config.endpoints and len(found) <= MOST_ROUTES:
                for version in self._versions():
                    self._core.requests_at_zero(version, found)

        return start

    def metrics_app(self) -> WsgiApp:
        """A WSGI application of the metrics page alone, for a port of its own."""
        return wsgi_side.metrics_page(self.registry, lambda: None)

    def init_flask(self, app: Flask, segment: Source = SEGMENT_HEADER, partner: Source = PARTNER_HEADER) -> None:
        """Count `app`'s requests by route, and serve `/metrics`."""
        from bascule.instrument.flask import FLASK, matched_rule, rules

        requests = self._requests(FLASK, matched_rule(app), trusting(self._core), segment, partner)
        app.wsgi_app = self._wsgi(app.wsgi_app, requests, partial(rules, app))  # type: ignore[method-assign,assignment]

    def wsgi(
        self,
        app: WsgiApp,
        endpoint: Find | None = None,
        segment: Source = SEGMENT_HEADER,
        partner: Source = PARTNER_HEADER,
    ) -> WsgiApp:
        """`app` with its requests counted, and `/metrics`. `endpoint` gives a request's route template; by default
        it is what Django's route middleware found, or the path where that is a declared endpoint."""
        find, admit = self._endpoint(endpoint, "PATH_INFO", lambda environ: "", matched_again)
        return self._wsgi(app, self._requests(wsgi_side.WSGI, find, admit, segment, partner), no_routes)

    def asgi(
        self,
        app: AsgiApp,
        endpoint: Find | None = None,
        segment: Source = SEGMENT_HEADER,
        partner: Source = PARTNER_HEADER,
    ) -> AsgiApp:
        """As `wsgi`; the routes of Starlette and FastAPI are known without `endpoint`."""
        routes = StarletteRoutes(app)
        find, admit = self._endpoint(
            endpoint, "path", routes.template, lambda scope: routes.match_again(scope) or matched_again(scope)
        )
        requests = self._requests(asgi_side.ASGI, find, admit, segment, partner)
        metrics = asgi_side.metrics_page(self.registry, self._start_routes(routes.declared))
        uncounted = [agent.encode("latin-1") for agent in self._uncounted]
        return AsgiMiddleware(app, requests, metrics, self._metrics_path, uncounted)

    def _wsgi(self, app: WsgiApp, requests: Requests, routes: Routes) -> WsgiApp:
        metrics = wsgi_side.metrics_page(self.registry, self._start_routes(routes))
        return WsgiMiddleware(app, requests, metrics, self._metrics_path, self._uncounted)

    def _endpoint(self, chosen: Find | None, path_key: str, told: Find, again: Find) -> tuple[Find, AdmitEndpoint]:
        """A service's own endpoints count against the cap; templates that its code declares are few by nature."""
        problems = self._core.problems
        if chosen is not None:
            return safe(ENDPOINT, chosen, problems), guarded(self._core)
        declared = frozenset(endpoint for endpoint, _ in self._core.config.routes())
        return endpoint_of(path_key, declared, told, safe(ENDPOINT, again, problems)), trusting(self._core)

    def _requests(
        self, interface: Interface, endpoint: Find, admit: AdmitEndpoint, segment: Source, partner: Source
    ) -> Requests:
        problems = self._core.problems
        trace_id = self._trace_id if directory() is None else None
        describe = Describe(
            interface.key_of(self.version, endpoint, segment, partner, problems),
            safe_trace(interface.call(trace_id), problems) if trace_id else None,
        )
        return Requests(self._core, describe, admit)
