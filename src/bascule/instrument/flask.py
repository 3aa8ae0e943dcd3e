"""Flask: the WSGI middleware around `app.wsgi_app`, with the matched rule as the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.conventions import NONE, PARTNER, SEGMENT, UNKNOWN, VERSION
from bascule.instrument.core import Core
from bascule.instrument.requests import Requests, trusting
from bascule.instrument.resolvers import Resolver, Source, fixed, safe, wsgi_header
from bascule.instrument.wsgi import Describe, Environ, WsgiMiddleware, metrics_page

if TYPE_CHECKING:
    from flask import Flask


def instrument_flask(app: Flask, core: Core, version: Source, segment: Source, partner: Source, path: str) -> None:
    """Count `app`'s requests and serve its metrics at `path`. Callables get the `flask.Request`, in its context."""
    describe = Describe(
        version=fixed(version) if isinstance(version, str) else _of_request(VERSION, version, core),
        endpoint=_matched_rule(app),
        segment=wsgi_header(segment, UNKNOWN) if isinstance(segment, str) else _of_request(SEGMENT, segment, core),
        partner=wsgi_header(partner, NONE) if isinstance(partner, str) else _of_request(PARTNER, partner, core),
    )
    requests = Requests(core, trusting(core))
    middleware = WsgiMiddleware(app.wsgi_app, requests, describe, metrics_page(core.registry), path)
    app.wsgi_app = middleware  # type: ignore[method-assign]


def _matched_rule(app: Flask) -> Resolver:
    """The route's template, such as `/jobs/<int:job>`; `unknown` where no route matched."""

    def matched_rule(environ: Environ) -> str:
        request = environ.get("werkzeug.request")
        if request is None:  # its context ended without an answer, by an exception
            return _match_again(app, environ)
        rule = request.url_rule
        return rule.rule if rule is not None else UNKNOWN

    return matched_rule


def _match_again(app: Flask, environ: Environ) -> str:
    from werkzeug.exceptions import HTTPException

    try:
        rule, _ = app.url_map.bind_to_environ(environ).match(return_rule=True)
    except HTTPException:
        return UNKNOWN
    return str(rule.rule)


def _of_request(label: str, resolve: Resolver, core: Core) -> Resolver:
    return safe(label, lambda environ: resolve(environ["werkzeug.request"]), core.problems)
