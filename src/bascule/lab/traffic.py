"""The lab's traffic, in a process of its own:  python -m bascule.lab.traffic PLAN

PLAN is a TrafficPlan in JSON. It ends when the plan does, at the end of its standard input, or on SIGTERM; then it
waits for the answers that are due and prints its Tally in JSON.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections import defaultdict
from random import Random
from typing import Any

import aiohttp

from bascule.lab.plan import TrafficPlan, Visit, stars
from bascule.lab.tally import TalliedAnswer, Tally, quantiles

MOST_OPEN = 500  # requests; nginx has 1024 connections, two for each
TIMEOUT_SECONDS = 10.0
STOP_SECONDS = 0.25  # how soon a stop is noticed between two arrivals
MATCH, RATE = "/api/match", "/api/rate"
Body = dict[str, Any]
Headers = dict[str, str]


class Generator:
    """Sends the plan's visits at their times, however slow the answers are, and counts."""

    def __init__(self, plan: TrafficPlan, session: aiohttp.ClientSession) -> None:
        self.plan = plan
        self.tally = Tally()
        self._session = session
        self._open: set[asyncio.Task[None]] = set()
        self._seconds: dict[str, list[float]] = defaultdict(list)

    async def run(self, stop: asyncio.Event) -> Tally:
        clock = asyncio.get_running_loop().time
        start = clock()
        for visit in self.plan.visits():
            while (wait := start + visit.at - clock()) > 0 and not stop.is_set():
                await asyncio.sleep(min(wait, STOP_SECONDS))
            if stop.is_set():
                break
            self._send(visit)
        await asyncio.gather(*self._open)
        self.tally.latency = {version: quantiles(seconds) for version, seconds in self._seconds.items()}
        return self.tally

    def _send(self, visit: Visit) -> None:
        if len(self._open) >= MOST_OPEN:
            self.tally.skipped += 1
            return
        task = asyncio.create_task(self._visit(visit))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _visit(self, visit: Visit) -> None:
        match = await self._ask(MATCH, visit, candidate_id=visit.candidate, job_id=visit.job)
        if match is None:
            return
        version, values = match["version"], self.tally.values
        values[version] = values.get(version, 0.0) + match["value"]
        if visit.rates:
            given = stars(match["satisfaction"], Random(f"{self.plan.seed}/stars/{visit.number}"))
            if await self._ask(RATE, visit, stars=given) is not None:
                self.tally.stars.setdefault(version, [0] * 5)[given - 1] += 1

    async def _ask(self, endpoint: str, visit: Visit, **asked: Any) -> Any:
        """The answer's JSON when its status is 200, else None; counted in any case."""
        body = {"number": visit.number, "user_id": visit.user, **asked}
        headers = {"X-User-Segment": visit.segment, "X-User-Id": visit.user, "X-Partner": visit.partner}
        self.tally.sent += 1
        try:
            return await self._post_again_if_unread(endpoint, visit, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.tally.lost[type(error).__name__] += 1
            return None

    async def _post_again_if_unread(self, endpoint: str, visit: Visit, body: Body, headers: Headers) -> Any:
        """A reloaded nginx closes idle connections: a request that meets the end of one was never read."""
        try:
            return await self._post(endpoint, visit, body, headers)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            self.tally.resent += 1
            return await self._post(endpoint, visit, body, headers)

    async def _post(self, endpoint: str, visit: Visit, body: Body, headers: Headers) -> Any:
        clock = asyncio.get_running_loop().time
        began = clock()
        async with self._session.post(self.plan.url + endpoint, json=body, headers=headers) as response:
            version, status = response.headers.get("X-Served-By", ""), response.status
            answer = await response.json() if status == 200 else None
        self._seconds[version].append(clock() - began)
        success = str(answer["success"]) if answer and endpoint == MATCH else ""
        self.tally.answers[TalliedAnswer(endpoint, visit.segment, visit.partner, version, status, success)] += 1
        return answer


async def send(plan: TrafficPlan, stop: asyncio.Event) -> Tally:
    """Run a plan to its end, or until `stop` is set."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        return await Generator(plan, session).run(stop)


async def _main(plan: TrafficPlan) -> Tally:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threading.Thread(target=_stop_at_end_of_input, args=(loop, stop), daemon=True).start()
    return await send(plan, stop)


def _stop_at_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """The input ends when our parent closes it, or dies."""
    sys.stdin.read()
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    print(asyncio.run(_main(TrafficPlan.from_json(sys.argv[1]))).to_json())
