"""The war room's displays: the page of this migration's console opens, and it moves."""

from __future__ import annotations

import html
import time

from bascule.api import RoleClient
from bascule.checklist.item import ItemEvidence, ItemOutcome, deployment, failed, judged
from bascule.checklist.looked import Looked
from bascule.errors import BasculeError
from bascule.spec import Spec
from bascule.units import bytes_text

SECONDS = 10.0


def _signed(spec: Spec) -> object:
    return [spec.title, spec.stack.url("console")]


@deployment(4, "War room displays configurés", to_sign="the screens of the war room show the page", signed=_signed)
def displays(looked: Looked) -> ItemOutcome:
    console = RoleClient(looked.spec, "console", seconds=SECONDS)
    try:
        page = console.text("/")
        began = time.monotonic()
        event = console.first_line("/stream", "data:")
    except BasculeError as error:
        return failed(error.what)
    finally:
        console.close()
    is_ours = looked.spec.title in html.unescape(page)
    problems = [] if is_ours else [f"{console.url}/ is not the page of {looked.spec.title}"]
    problems += [] if event else [f"{console.url}/stream ended without an update"]
    opened = ItemEvidence(f"GET {console.url}/", f"status 200, {bytes_text(len(page.encode()))}")
    update = ItemEvidence(f"GET {console.url}/stream", f"first update after {time.monotonic() - began:.1f} s")
    return judged(problems, opened, update)
