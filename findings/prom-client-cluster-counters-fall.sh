#!/usr/bin/env bash
# prom-client 15.1.3 (npm) in Node's cluster mode
#
# Expected: a counter never falls while the service runs; clusterMetrics() says that it sums the workers' counters.
# Seen: when one of two workers ends (a crash, a recycled worker), its share vanishes from the sum. The primary process
#   goes on under the same address, so Prometheus takes the fall for a restart and counts everything that the other
#   workers had counted before a second time: 1000 requests and 10 errors that never were.
# Hurts: people who roll back on errors, or bill an error budget, of a clustered Node service: each dead worker is a burst.
. "$(dirname "$0")/lib.bash"
install_node prom-client@15.1.3

cat >cluster.js <<'JS'
const cluster = require("cluster"), client = require("prom-client");
const registry = new client.AggregatorRegistry();
if (cluster.isPrimary) {
  const ready = (worker) => new Promise((done) => worker.on("message", (text) => text === "ready" && done()));
  const errors = async () => /requests_total\{status="500"\} (\d+)/.exec(await registry.clusterMetrics())[1];
  (async () => {
    const [one, two] = [cluster.fork(), cluster.fork()];
    await Promise.all([ready(one), ready(two)]);
    const before = await errors();
    const ended = new Promise((done) => one.on("exit", done));
    one.kill();
    await ended;
    console.log(`errors counted: ${before}, after one of two workers has ended: ${await errors()}`);
    two.kill();
  })();
} else {
  const requests = new client.Counter({ name: "requests_total", help: "Requests.", labelNames: ["status"] });
  requests.inc({ status: "200" }, 1000);
  requests.inc({ status: "500" }, 10);
  process.send("ready");
}
JS
echo "expected: errors counted: 20, after one of two workers has ended: 20"
as_stated "$(timeout 30 node cluster.js)" "errors counted: 20, after one of two workers has ended: 10"
