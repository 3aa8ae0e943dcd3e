"""The war room's displays: the page of this migration's console opens, and it moves."""

from __future__ import annotations

import html
import time

import httpx

from bascule.api.tokens import token_for
from bascule.checklist.item import ItemEvidence, ItemOutcome, deployment, failed, judged
from bascule.checklist.looked import Looked
from bascule.spec import Spec
from bascule.units import bytes_text

SECONDS = 10.0


def _signed(spec: Spec) -> object:
    return [spec.title, spec.stack.url("console")]


@deployment(4, "War room displays configurés", to_sign="the screens of the war room show the page", signed=_signed)
def displays(looked: Looked) -> ItemOutcome:
    console = looked.spec.stack.url("console")
    token = token_for(looked.spec.stack.state)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(base_url=console, headers=headers, timeout=SECONDS, trust_env=False) as client:
            page = client.get("/")
            event, seconds = _first_event(client)
    except httpx.HTTPError as error:
        return failed(f"the console at {console} does not answer: {error or type(error).__name__}")
    problems = [f"{console}/ answers {page.status_code}"] if page.status_code != 200 else []
    if looked.spec.title not in html.unescape(page.text):
        problems.append(f"{console}/ is not the page of {looked.spec.title}")
    problems += [] if event else [f"{console}/stream sends nothing within {SECONDS:g} s"]
    opened = ItemEvidence(f"GET {console}/", f"status {page.status_code}, {bytes_text(len(page.content))}")
    return judged(problems, opened, ItemEvidence(f"GET {console}/stream", f"first update after {seconds:.1f} s"))


def _first_event(client: httpx.Client) -> tuple[str, float]:
    began = time.monotonic()
    with client.stream("GET", "/stream") as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                return line, time.monotonic() - began
            if time.monotonic() - began > SECONDS:
                break
    return "", time.monotonic() - began
