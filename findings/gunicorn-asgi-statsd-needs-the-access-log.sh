#!/usr/bin/env bash
# gunicorn 27.0.1 (PyPI), its `asgi` worker with --statsd-host, beside its `gthread` worker
#
# Expected: `--statsd-host` is a setting of the server ("the address of the StatsD server to log to"), so its counters of
#   requests, statuses and durations come from every kind of worker.
# Seen: with `-k asgi` none of them is sent, for answers or failures, unless an access log is written as well
#   (`--access-logfile`, off by default); with the WSGI workers the log makes no difference. Gauges of workers and counts
#   of log lines go on, so that the service looks alive and idle.
# Hurts: people who move a service from a WSGI worker to the new one: dashboards and alerts on gunicorn.request.* fall silent.
. "$(dirname "$0")/lib.bash"
install_python gunicorn==27.0.1

cd "$work"
cat >app.py <<'PY'
def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"ok"]


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
PY
cat >listen.py <<'PY'
import socket, sys

listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    print(listener.recv(2048).decode(), flush=True)
PY
counted() { # WORKER_CLASS APPLICATION OPTION...
    local statsd port
    statsd=$(python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    port=$(free_port)
    python3 listen.py "$statsd" >"$1.statsd" &
    pids+=($!)
    wait_until grep -q listening "$1.statsd"
    start "$work/venv/bin/gunicorn" -k "$1" -b "127.0.0.1:$port" --statsd-host "127.0.0.1:$statsd" "${@:3}" "app:$2"
    wait_until grep -q Listening "$work/output.$((${#pids[@]} - 1))"
    for _ in 1 2 3 4 5; do curl -s -o /dev/null "http://127.0.0.1:$port/five"; done
    sleep 1
    echo "$1${3:+ with an access log}: $(grep -c '^gunicorn.requests:' "$1.statsd" || true)" >>seen.txt
}
counted gthread wsgi
counted asgi asgi
counted asgi asgi --access-logfile /dev/null
echo "expected: 5 of 5 requests each"
as_stated "$(paste -sd';' seen.txt)" "gthread: 5;asgi: 0;asgi with an access log: 5"
