"""Asking the incidents role over HTTP: what the command line calls. Answers are plain dictionaries."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx

from bascule.errors import QueryRejected, Unreachable, UsageError

Rows = list[dict[str, Any]]
T = TypeVar("T")


class IncidentsClient:
    """Raises Unreachable when the role does not answer, UsageError when it refuses what was asked."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=timeout, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def incidents(self, since: float = 0.0) -> Rows:
        return self._rows("GET", "/api/incidents", params={"since": since})

    def incident(self, identity: int) -> dict[str, Any]:
        return self._one("GET", f"/api/incidents/{identity}")

    def acknowledge(self, identity: int, who: str, note: str = "") -> Rows:
        return self._rows("POST", f"/api/incidents/{identity}/acknowledge", json={"who": who, "note": note})

    def note(self, identity: int, text: str, who: str) -> dict[str, Any]:
        return self._one("POST", f"/api/incidents/{identity}/notes", json={"text": text, "who": who})

    def summary(self, identity: int) -> str:
        """The post-incident summary, Markdown."""
        return self._ask("GET", f"/api/incidents/{identity}/summary").text

    def notices(self) -> Rows:
        return self._rows("GET", "/api/notices")

    def timeline(self, since: float = 0.0) -> Rows:
        return self._rows("GET", "/api/timeline", params={"since": since})

    def annotate(self, text: str, kind: str = "note", who: str = "") -> dict[str, Any]:
        return self._one("POST", "/api/annotations", json={"text": text, "kind": kind, "who": who})

    def phase(self) -> dict[str, Any]:
        return self._one("GET", "/api/phase")

    def set_phase(self, number: int, who: str, why: str, share: float | None = None) -> dict[str, Any]:
        return self._one("POST", "/api/phase", json={"number": number, "share": share, "who": who, "why": why})

    def maintenance(self) -> Rows:
        return self._rows("GET", "/api/maintenance", params={"cancelled": True})

    def add_maintenance(self, starts: float, ends: float, reason: str, who: str, services: list[str] | None = None,
                        silent: bool = True) -> dict[str, Any]:  # fmt: skip
        body = {
            "starts": starts,
            "ends": ends,
            "reason": reason,
            "who": who,
            "services": services or [],
            "silent": silent,
        }
        return self._one("POST", "/api/maintenance", json=body)

    def end_maintenance(self, identity: int, who: str) -> dict[str, Any]:
        return self._one("POST", f"/api/maintenance/{identity}/end", json={"who": who})

    def _rows(self, method: str, path: str, **more: Any) -> Rows:
        return self._read(self._ask(method, path, **more), list)

    def _one(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        return self._read(self._ask(method, path, **more), dict)

    def _read(self, response: httpx.Response, kind: type[T]) -> T:
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, kind):
            raise self._stranger(response)
        return answer

    def _stranger(self, response: httpx.Response) -> Unreachable:
        what = f"what answers at {self.url} is not the incidents role (status {response.status_code})"
        return Unreachable(what, "stop what holds its port, or change stack.ports.incidents in the spec")

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            what = f"the incidents role at {self.url} does not answer: {error or type(error).__name__}"
            raise Unreachable(what, "start it: bascule serve SPEC --role incidents") from error
        if response.is_success:
            return response
        raise _refusal(response) or self._stranger(response)


def _refusal(response: httpx.Response) -> UsageError | QueryRejected | None:
    """What the role has against it; None when this is not how the role answers."""
    try:
        body = response.json()
        what, mend = str(body["error"]), str(body.get("mend", ""))
    except (ValueError, KeyError, TypeError):
        return None
    return UsageError(what, mend) if response.status_code == 400 else QueryRejected(what, mend)
