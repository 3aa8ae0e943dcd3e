#!/usr/bin/env bash
# Prometheus 2.42.0 (Debian 12)
#
# Expected: a Prometheus that takes samples in by remote write and names another receiver under `remote_write` hands on all
#   that it stores: both ends speak of "every sample".
# Seen: what is older than its own start is stored and never handed on; no metric counts it as dropped. Samples that came
#   late, were backfilled, or were caught up by a sender after a restart of this Prometheus are missing at the far end.
# Hurts: chains of Prometheus servers, and whoever compares the two ends after a restart: the gap is at the far end alone.
. "$(dirname "$0")/lib.bash"
install_debian 'prometheus=2.42.0*'
install_python cramjam==2.14.0

port=$(free_port) far=$(free_port)
cat >"$work/far.py" <<'END'
import http.server, sys

class Far(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        import cramjam
        body = bytes(cramjam.snappy.decompress_raw(self.rfile.read(int(self.headers["Content-Length"]))))
        with open(sys.argv[2], "ab") as kept:
            kept.write(body)
        self.send_response(204)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Far).serve_forever()
END
cat >"$work/send.py" <<'END'
import struct, sys, time, urllib.request
import cramjam

def number(value):
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])

def field(tag, content):
    return bytes([tag]) + number(len(content)) + content

name, age = sys.argv[2], float(sys.argv[3])
label = field(0x0A, field(0x0A, b"__name__") + field(0x12, name.encode()))
sample = field(0x12, b"\x09" + struct.pack("<d", 1.0) + b"\x10" + number(int(1000 * (time.time() - age))))
body = bytes(cramjam.snappy.compress_raw(field(0x0A, label + sample)))
headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, headers))
END
cat >"$work/prometheus.yml" <<END
global: {scrape_interval: 1h}
remote_write: [{url: "http://127.0.0.1:$far/", queue_config: {batch_send_deadline: 100ms}}]
END
start "$python" "$work/far.py" "$far" "$work/kept"
wait_until answers "http://127.0.0.1:$far/"
start prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
    --web.listen-address="127.0.0.1:$port" --web.enable-remote-write-receiver
wait_until curl -sf "http://127.0.0.1:$port/-/ready"

for sample in 'from_before 600' 'from_now 0'; do
    # shellcheck disable=SC2086
    "$python" "$work/send.py" "http://127.0.0.1:$port/api/v1/write" $sample
done
wait_until grep -aq from_now "$work/kept"
stored() {
    curl -sf "http://127.0.0.1:$port/api/v1/query" --data-urlencode 'query=count(last_over_time({__name__=~"from_.*"}[20m]))' |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["data"]["result"][0]["value"][1])'
}
dropped() {
    curl -sf "http://127.0.0.1:$port/metrics" | "$python" -c '
import sys
print(sum(float(line.rsplit(" ", 1)[1]) for line in sys.stdin if line.startswith(("prometheus_remote_storage_samples_dropped_total", "prometheus_remote_storage_samples_failed_total"))))'
}
forwarded=$(grep -ao 'from_[a-z]*' "$work/kept" | sort -u | tr '\n' ' ')
echo 'expected: 2 stored; forwarded: from_before from_now'
as_stated "$(stored) stored; forwarded: ${forwarded% }; counted as dropped or failed: $(dropped)" \
    '2 stored; forwarded: from_now; counted as dropped or failed: 0.0'
