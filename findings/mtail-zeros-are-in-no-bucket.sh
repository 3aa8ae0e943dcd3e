#!/usr/bin/env bash
# mtail 3.0.0~rc50 (Debian 12; the fault was fixed upstream in 2024), nginx' $request_time
#
# Expected: a histogram counts each observation in the first bucket whose bound is not below it, and `+Inf` equals
#   `_count` (Prometheus' text format asks for it).
# Seen: an observation of exactly 0 is added to `_count` and to no bucket, not even `+Inf`. nginx writes $request_time in
#   milliseconds, so a faster request is `0.000`: of 90 such and 10 of 0.3 s, the quantiles see only the
#   slow ten (p50 0.3 s instead of 0.000), and the share under 100 ms is 0 of 10 instead of 90 of 100.
# Hurts: people who measure a fast service through nginx' log and mtail: the faster it becomes, the slower it reads.
. "$(dirname "$0")/lib.bash"
install_debian 'mtail=3.0.0~rc50*'

cat >times.mtail <<'MTAIL'
histogram request_seconds buckets 0.1, 0.5, 1
/ (?P<time>\d+\.\d+)$/ {
  request_seconds = $time
}
MTAIL
for _ in $(seq 90); do echo '192.0.2.1 "GET / HTTP/1.1" 200 0.000'; done >access.log
for _ in $(seq 10); do echo '192.0.2.1 "GET / HTTP/1.1" 200 0.300'; done >>access.log
mtail --progs times.mtail --logs access.log --one_shot --one_shot_format=prometheus >metrics.txt 2>/dev/null
of() { awk -v start="request_seconds_$1{" 'index($0, start) == 1 && ("'"${2-}"'" == "" || index($0, "le=\"'"${2-}"'\"")) {print $2}' metrics.txt; }
echo 'expected: 0.1: 90, 0.5: 100, +Inf: 100, count: 100'
as_stated "0.1: $(of bucket 0.1), 0.5: $(of bucket 0.5), +Inf: $(of bucket +Inf), count: $(of count)" \
    '0.1: 0, 0.5: 10, +Inf: 10, count: 100'
