"""`python -m bench.fuzzing.apis ROLE CASES SEED`: asks a role what its OpenAPI document allows, and what it forbids.

Schemathesis makes the requests. Each is held to: an answer within a second, never 500, and a refusal that says what is
wrong and what to do.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from dataclasses import asdict
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from bench.fuzzing.targets import served
from bench.fuzzing.worker import HANG_SECONDS, KEPT, Fuzzed

ROLES = ("incidents", "judge", "logs", "console", "sla", "supervisor")
# They never end, start programs of their own, or ask a Prometheus that is not there, each for seconds.
LEFT_OUT = ("/stream", "/act/drills", "/act/checklist")
AWAY = (502, 503)  # whom the role asks is not there


def main(role: str, cases: int, chosen: int) -> None:
    from api_caller import operator

    found = Fuzzed(f"API of {role}")
    with served() as (spec, apps):
        client = operator(apps[role], spec, raise_server_exceptions=True)
        schema = schemathesis.openapi.from_dict(apps[role].openapi())
        operations = [each.ok() for each in schema.get_all_operations()]
        chosen_ones = [each for each in operations if not each.path.startswith(LEFT_OUT)]
        before = 0.0
        for each in chosen_ones:
            for mode in GenerationMode:
                _ask(client, each, mode, max(1, cases // (2 * len(chosen_ones))), chosen, found)
            before = before or _memory()
        found.grown = _memory() - before
    print(json.dumps(asdict(found)))


def _ask(client: Any, operation: Any, mode: GenerationMode, cases: int, chosen: int, found: Fuzzed) -> None:
    try:
        strategy = operation.as_strategy(generation_mode=mode)
    except Exception:  # noqa: BLE001 - an operation that takes nothing cannot be asked wrongly
        return

    @seed(chosen)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def asked(case: Any) -> None:
        _one(client, case, found)

    try:
        asked()
    except Exception as error:  # nothing to generate for this mode
        if "Unsatisfiable" not in type(error).__name__ and "NoExamples" not in type(error).__name__:
            raise


def _one(client: Any, case: Any, found: Fuzzed) -> None:
    sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
    sent = {key: value for key, value in sent.items() if key in ("method", "url", "params", "json", "data", "headers")}
    sent["headers"] = {name: text for name, text in dict(sent.get("headers") or {}).items() if name.lower() != "host"}
    found.cases += 1
    begun = time.process_time()
    try:
        answer = client.request(**sent, follow_redirects=False)
    except (UnicodeError, ValueError):  # nothing that HTTP can carry
        found.cases -= 1
        return
    except Exception:  # noqa: BLE001 - it is what is looked for
        _tell(found, sent, traceback.format_exc())
        return
    found.slowest = max(found.slowest, time.process_time() - begun)
    if time.process_time() - begun > HANG_SECONDS:
        found.hangs += 1
        _tell(found, sent, "it takes more than a second")
    if answer.status_code >= 400:
        found.refused += 1
        if answer.status_code >= 500 and answer.status_code not in AWAY:
            _tell(found, sent, f"status {answer.status_code}: {answer.text[:300]}")
        elif _has_no_words(answer):
            _tell(found, sent, f"a refusal without words: {answer.text[:300]}")


def _has_no_words(answer: Any) -> bool:
    """A refusal says what is wrong and what to do; what is not ready gives its reasons."""
    is_json = answer.headers["content-type"] == "application/json"
    return is_json and not {"error", "fix"} <= set(answer.json()) and "problems" not in answer.json()


def _tell(found: Fuzzed, sent: dict[str, Any], error: str) -> None:
    found.crashes += 1
    last = error.strip().splitlines()[-1]
    if len(found.failures) < KEPT and last not in [each["error"].strip().splitlines()[-1] for each in found.failures]:
        found.failures.append({"error": error, "input": repr(sent)[:2000]})


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
