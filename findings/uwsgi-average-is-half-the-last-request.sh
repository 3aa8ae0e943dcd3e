#!/usr/bin/env bash
# uWSGI 2.0.21 (Debian 12), its stats server
#
# Expected: `avg_rt` of a worker is the average of its response times, as uwsgitop ("average request time") and the
#   exporters that read it name it.
# Seen: after each request it is (avg_rt + this request's time) / 2: the last request weighs one half, the last three
#   seven eighths. One request of 1 s after 100 of under a millisecond: 0.5 s, where the average is 0.01 s; and one fast
#   request after a hundred slow ones halves it. running_time / requests is the average.
# Hurts: people who alert on it or compare two versions by it: it tells of two or three requests, whatever the interval.
. "$(dirname "$0")/lib.bash"
install_debian 'uwsgi-core=2.0.21*' 'uwsgi-plugin-python3=2.0.21*' libpcre3 libyajl2 libzmq5 libpgm-5.3-0 libsodium23 libnorm1 libxml2 \
    libicu72 libpython3.11 libexpat1 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib

cat >app.py <<'PY'
import time


def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    start_response("200 OK", [])
    return [b"ok"]
PY
cat >stats.py <<'PY'
import json, socket, sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as stats:
    (worker,) = json.load(stats.makefile())["workers"]
average = worker["running_time"] / worker["requests"] / 1e6
print(f"avg_rt {worker['avg_rt'] / 1e6:.1f} s, running_time / requests {average:.1f} s")
PY
port=$(free_port) stats=$(free_port)
start env LD_LIBRARY_PATH="$work/debian/usr/lib/x86_64-linux-gnu:$work/debian/lib/x86_64-linux-gnu" PYTHONHOME="$work/debian/usr" \
    "$work/debian/usr/bin/uwsgi-core" --plugin-dir "$work/debian/usr/lib/uwsgi/plugins" --plugin python311 --die-on-term \
    --http-socket "127.0.0.1:$port" --wsgi-file app.py --need-app --stats "127.0.0.1:$stats" --disable-logging --workers 1
wait_until answers "http://127.0.0.1:$port/"
for _ in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$port/"; done
curl -s -o /dev/null "http://127.0.0.1:$port/slow"
echo "expected: avg_rt 0.0 s, running_time / requests 0.0 s"
as_stated "$(python3 stats.py "$stats")" "avg_rt 0.5 s, running_time / requests 0.0 s"
