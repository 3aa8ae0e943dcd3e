#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12), its own Prometheus exporter, its HTTP log
#
# Expected: haproxy_server_http_responses_total ("total number of HTTP responses with status 500-599 returned by this
#   object") counts what each server answered, so that a failing server is seen while `retry-on 500` with `redispatch`
#   keeps its failures from the clients.
# Seen: v2 answers 500 to every one of its requests, each is tried again on v1: v2 has 0 responses of any class, the
#   backend has only 2xx, and each log line names v1 with its status and its time alone. What is left of v2's failures is
#   haproxy_server_retry_warnings_total (and sessions), which counts refused connections alike.
# Hurts: people who shift traffic to a new version behind HAProxy with such retries: a version that only fails looks unused.
. "$(dirname "$0")/lib.bash"
install_debian 'haproxy=2.6.12*' 'liblua5.3-0=5.3.6*' 'libopentracing-c-wrapper0' 'libopentracing1'
export LD_LIBRARY_PATH=$work/debian/usr/lib/x86_64-linux-gnu

cat >server.py <<'PY'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
v1=$(free_port) v2=$(free_port) front=$(free_port) metrics=$(free_port)
cat >haproxy.cfg <<CFG
global
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout client 5s
  timeout server 5s
  timeout connect 1s
frontend front
  bind 127.0.0.1:$front
  default_backend shop
backend shop
  balance roundrobin
  retry-on 500
  retries 3
  option redispatch 1
  server v1 127.0.0.1:$v1
  server v2 127.0.0.1:$v2
frontend metrics
  bind 127.0.0.1:$metrics
  no log
  http-request use-service prometheus-exporter
CFG
start python3 server.py "$v1" 200
start python3 server.py "$v2" 500
wait_until answers "http://127.0.0.1:$v1"
wait_until answers "http://127.0.0.1:$v2"
start haproxy -f haproxy.cfg
wait_until answers "http://127.0.0.1:$metrics"
own=$(grep -c 'GET / ' output.1) # the question whether it is up
for _ in $(seq 20); do curl -s -o /dev/null "http://127.0.0.1:$front/"; done
wait_until eval '[ "$(grep -c "front shop/" "$work"/output.2)" -ge 20 ]'
curl -s "http://127.0.0.1:$metrics" >metrics.txt
of_v2() { awk -v start="$1{proxy=\"shop\",server=\"v2\"" 'index($0, start) == 1 {sum += $2} END {print sum + 0}' metrics.txt; }
tries=$(($(grep -c 'GET / ' output.1) - own))
[ "$tries" -gt 0 ] || { echo "v2 was never asked" >&2; exit 2; }
echo "expected: of its tries, v2's responses of class 5xx: all; log lines that name v2: all"
as_stated "of its tries, v2's responses of any class: $(of_v2 haproxy_server_http_responses_total), log lines that name v2: $(grep -c shop/v2 output.2 || true), retry warnings: $([ "$(of_v2 haproxy_server_retry_warnings_total)" = "$tries" ] && echo all || of_v2 haproxy_server_retry_warnings_total)" \
    "of its tries, v2's responses of any class: 0, log lines that name v2: 0, retry warnings: all"
