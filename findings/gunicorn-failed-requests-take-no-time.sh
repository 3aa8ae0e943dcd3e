#!/usr/bin/env bash
# gunicorn 27.0.1 (PyPI), sync and gthread workers: access log and statsd
#
# Expected: %(D)s ("request time in microseconds") and gunicorn.request.duration are the time from the request's arrival to
#   its end, for a view that raises after a second as for one that answers after a second.
# Seen: of a request whose view raised, or that `--timeout` ended, the time is measured from the exception: a view that
#   raises after 1 s, and a hang that the arbiter ends after 2 s, are both logged with less than 0.1 s. (Their
#   %(U)s, the path, is "None" too.)
# Hurts: people who take latency from gunicorn's log or statsd: a version that times out in 30 % of its requests gets faster.
. "$(dirname "$0")/lib.bash"
install_python gunicorn==27.0.1

cd "$work"
cat >app.py <<'PY'
import time


def application(environ, start_response):
    path = environ["PATH_INFO"]
    time.sleep({"/slow": 1, "/raises": 1, "/hangs": 30}[path])
    if path == "/raises":
        raise ValueError
    start_response("200 OK", [])
    return [b"ok"]
PY
seen() { # WORKER_CLASS PATH...
    local port class=$1
    port=$(free_port)
    shift
    start "$work/venv/bin/gunicorn" -k "$class" -b "127.0.0.1:$port" --timeout 2 --log-level critical \
        --access-logfile "$work/$class.log" --access-logformat '%(r)s %(s)s %(D)s' app:application
    wait_until eval "curl -s --max-time 5 'http://127.0.0.1:$port/slow' | grep -q ok"
    for path in "$@"; do curl -s -o /dev/null --max-time 10 "http://127.0.0.1:$port$path"; done
    wait_until eval "grep -q '${*: -1} ' '$work/$class.log'"
    awk -v class="$class" '$2 != "/slow" || !slow++ {printf "%s%s %s %s %s s", separator, class, $2, $4, ($5 < 100000 ? "under 0.1" : int($5 / 1e6)); separator = "; "}' "$work/$class.log"
}
echo "expected: sync /slow 200 1 s; sync /raises 500 1 s; sync /hangs 500 2 s; the same with gthread"
seen sync /raises /hangs >sync.txt
seen gthread /raises >gthread.txt
as_stated "$(cat sync.txt); $(cat gthread.txt)" \
    "sync /slow 200 1 s; sync /raises 500 under 0.1 s; sync /hangs 500 under 0.1 s; gthread /slow 200 1 s; gthread /raises 500 under 0.1 s"
