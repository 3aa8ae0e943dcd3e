#!/usr/bin/env bash
# @opentelemetry/instrumentation-http 0.223.0 with @opentelemetry/exporter-prometheus 0.223.0 (npm)
#
# Expected: a request that never got an answer has no http.response.status_code: the semantic conventions ask for it
#   "if and only if one was received/sent", and for error.type where the request ended with an error.
# Seen: the route hangs, three clients give up after 200 ms, nothing was ever sent to them: three requests with status
#   200, without error.type, each as fast as its client is impatient.
# Hurts: people who watch a Node service that deadlocks: its error ratio stays 0 and its traffic goes on.
. "$(dirname "$0")/lib.bash"
install_node @opentelemetry/api@1.9.1 @opentelemetry/sdk-metrics@2.12.1 @opentelemetry/instrumentation@0.223.0 \
    @opentelemetry/instrumentation-http@0.223.0 @opentelemetry/exporter-prometheus@0.223.0

cat >hang.js <<'JS'
const { PrometheusExporter } = require("@opentelemetry/exporter-prometheus");
const { MeterProvider } = require("@opentelemetry/sdk-metrics");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const exporter = new PrometheusExporter({ preventServerStart: true });
registerInstrumentations({ meterProvider: new MeterProvider({ readers: [exporter] }), instrumentations: [new HttpInstrumentation()] });
const http = require("http");

const sent = [];
const server = http.createServer((request, response) => response.on("close", () => sent.push(response.headersSent)));
const giveUp = (port) => new Promise((done) => {
  const request = http.get({ port, host: "127.0.0.1", agent: false });
  request.on("error", done);
  setTimeout(() => request.destroy(), 200);
});
server.listen(0, "127.0.0.1", async () => {
  for (let client = 0; client < 3; client++) await giveUp(server.address().port);
  while (sent.length < 3) await new Promise((done) => setTimeout(done, 50));
  exporter.getMetricsRequestHandler({}, { setHeader() {}, end(text) {
    const line = text.split("\n").find((each) => each.startsWith("http_server_request_duration_count"));
    const status = /http_response_status_code="(\d+)"/.exec(line);
    console.log(`answers begun: ${sent.filter(Boolean).length}, counted: ${line.split(" ").pop()}, status: ${status ? status[1] : "none"}, error_type: ${/error_type="([^"]+)"/.exec(line)?.[1] ?? "none"}`);
    process.exit(0);
  } });
});
JS
echo "expected: answers begun: 0, counted: 3, status: none, error_type: some"
as_stated "$(timeout 30 node hang.js)" "answers begun: 0, counted: 3, status: 200, error_type: none"
