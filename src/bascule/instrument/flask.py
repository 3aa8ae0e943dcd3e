"""Flask: the WSGI middleware around `app.wsgi_app`, with the matched rule as the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bascule.conventions import UNKNOWN
from bascule.instrument.describe import Find, Interface
from bascule.instrument.requests import IMPLIED_METHODS
from bascule.instrument.wsgi import Environ, header

if TYPE_CHECKING:
    from flask import Flask

_REQUEST = "werkzeug.request"


def _with_request(call: Callable[[Any], Any]) -> Callable[[Environ], Any]:
    """The service's callable is given the `flask.Request`, in its context."""
    return lambda environ: call(environ[_REQUEST])


FLASK = Interface(header, _with_request)


def matched_rule(app: Flask) -> Find:
    """The route's template, such as `/jobs/<int:job>`; `unknown` where no route matched."""

    def find(environ: Environ) -> str:
        request = environ.get(_REQUEST)
        if request is None:  # its context ended without an answer, by an exception
            return _match_again(app, environ)
        rule = request.url_rule
        return rule.rule if rule is not None else UNKNOWN

    return find


def rules(app: Flask) -> Iterator[tuple[str, str]]:
    """Each (template, method) that the application declares."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint != "static":
            yield from ((rule.rule, method) for method in sorted(set(rule.methods or ()) - IMPLIED_METHODS))


def _match_again(app: Flask, environ: Environ) -> str:
    from werkzeug.exceptions import HTTPException

    try:
        rule, _ = app.url_map.bind_to_environ(environ).match(return_rule=True)
    except HTTPException:
        return UNKNOWN
    return str(rule.rule)
