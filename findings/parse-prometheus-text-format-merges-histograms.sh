#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm) reading prom-client 15.1.3
#
# Expected: by its README the output aims at that of prom2json, which gives a histogram one entry per label set, each with
#   its labels, buckets, sum and count.
# Seen: all label sets become one entry without labels, whose buckets are those of the last set alone; sums and counts
#   are gone. A slow V1 before a healthy V2 reads healthy; the order of the page decides.
# Hurts: people who build a check, a dashboard or a canary's gate on it: one version's times stand for both.
. "$(dirname "$0")/lib.bash"
install_node parse-prometheus-text-format@1.1.1 prom-client@15.1.3

cat >read.js <<'JS'
const client = require("prom-client");
const parser = require("parse-prometheus-text-format");
const parse = parser.default ?? parser;
const times = new client.Histogram({ name: "request_seconds", help: "Times.", labelNames: ["version"], buckets: [0.1] });
for (let request = 0; request < 10; request++) {
  times.observe({ version: "v1" }, 5);
  times.observe({ version: "v2" }, 0.05);
}
client.register.metrics().then((page) => console.log(JSON.stringify(parse(page)[0].metrics)));
JS
echo 'expected: an entry for v1 (0 of 10 within 0.1 s, sum 50) and one for v2 (10 of 10, sum 0.5)'
as_stated "$(timeout 20 node read.js)" '[{"buckets":{"0.1":"10","+Inf":"10"}}]'
