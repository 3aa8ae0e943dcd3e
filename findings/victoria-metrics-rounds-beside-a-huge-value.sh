#!/usr/bin/env bash
# VictoriaMetrics 1.79.5 (Debian 12)
#
# Expected: a sample is read back as it was written, up to the 15 digits that a double holds; what another sample of the
#   series was does not matter. Prometheus returns each as it came.
# Seen: the samples of a block (up to 8192, hours of a series) share one decimal exponent. One value of 1.8e18, as when a
#   time in nanoseconds slips into a gauge of seconds, cuts its neighbours to whole numbers: 0.25 s becomes 0.
# Hurts: people whose latency or ratio met one absurd value: for hours before and after it, it reads as zero.
. "$(dirname "$0")/lib.bash"
install_debian 'victoria-metrics=1.79.5*'

port=$(free_port)
start victoria-metrics "-httpListenAddr=127.0.0.1:$port" -storageDataPath="$work/data" -memory.allowedPercent=5
wait_until answers "http://127.0.0.1:$port/health"

now=$(date +%s)
written() { # NAME VALUE...: a sample each second, ten minutes ago
    local name=$1 at=$((now - 600))
    shift
    for value in "$@"; do
        echo "$name $value ${at}000"
        at=$((at + 1))
    done
}
{
    written plain_seconds 0.25 0.25 2.5 0.75 0.75
    written spiked_seconds 0.25 0.25 1795950240123456789 0.75 0.75
} | curl -sf --data-binary @- "http://127.0.0.1:$port/api/v1/import/prometheus"
curl -sf "http://127.0.0.1:$port/internal/force_flush"
read_back() {
    curl -sf "http://127.0.0.1:$port/api/v1/query" -d "query=$1[20m]" |
        python3 -c 'import json, sys; print(*(point[1] for point in json.load(sys.stdin)["data"]["result"][0]["values"]))'
}
echo 'expected: 0.25 0.25 2.5 0.75 0.75 | 0.25 0.25 1795950240123456768 0.75 0.75'
as_stated "$(read_back plain_seconds) | $(read_back spiked_seconds)" '0.25 0.25 2.5 0.75 0.75 | 0 0 1795950240123456768 0 0'
