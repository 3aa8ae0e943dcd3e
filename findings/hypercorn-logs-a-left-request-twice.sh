#!/usr/bin/env bash
# Hypercorn 0.18.0 (PyPI), access log and statsd
#
# Expected: a line, and one hypercorn.requests, per request, as every access log has.
# Seen: a request whose client leaves before the answer is written twice: without a status when the client leaves, and
#   again with status 200 and the full time when the application has ended. Statsd counts two requests for it, too.
# Hurts: people who count requests or errors by that log: in an outage, when clients give up, each slow request is counted
#   twice, half of them as successes, and the error ratio falls.
. "$(dirname "$0")/lib.bash"
install_python hypercorn==0.18.0

cd "$work"
cat >app.py <<'PY'
import asyncio


async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(2 if scope["path"] == "/slow" else 0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
PY
port=$(free_port)
start "$work/venv/bin/hypercorn" -b "127.0.0.1:$port" --access-logfile access.log --access-logformat '%(U)s %(s)s' app:app
wait_until answers "http://127.0.0.1:$port/"
curl -s -o /dev/null --max-time 0.5 "http://127.0.0.1:$port/slow" || true
sleep 3
echo "expected: one line for /slow"
as_stated "$(grep -o '/slow.*' access.log | paste -sd';')" "/slow -;/slow 200"
