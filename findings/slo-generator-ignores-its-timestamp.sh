#!/usr/bin/env bash
# slo-generator 2.6.0 (PyPI) with its Prometheus backend; Prometheus 2.42.0 (Debian 12)
#
# Expected: `slo-generator compute --timestamp T` computes the objectives at T ("End timestamp for query"); the report
#   carries T as its timestamp.
# Seen: the backend hands T down as far as its query() and asks Prometheus without it, so the answer is today's. Asked for
#   November 2023, of a Prometheus that was started a few seconds ago, it reports a valid SLI for 2023.
# Hurts: people who fill in reports of past days: each of them says what is true now, an outage of last week never happened.
. "$(dirname "$0")/lib.bash"
install_python 'slo-generator[prometheus]==2.6.0'
install_debian 'prometheus=2.42.0*'

port=$(free_port)
cat >prometheus.yml <<YAML
global: {scrape_interval: 1s}
scrape_configs: [{job_name: own, static_configs: [{targets: ["127.0.0.1:$port"]}]}]
YAML
cat >config.yaml <<YAML
backends: {prometheus: {url: "http://127.0.0.1:$port"}}
error_budget_policies:
  default:
    steps: [{name: 1h, burn_rate_threshold: 9, alert: false, message_alert: over, message_ok: within, window: 3600}]
YAML
cat >slo.yaml <<'YAML'
apiVersion: sre.google.com/v2
kind: ServiceLevelObjective
metadata: {name: own-scrapes, labels: {service_name: own, feature_name: scrapes, slo_name: requests}}
spec:
  description: Requests answered by Prometheus itself.
  backend: prometheus
  method: good_bad_ratio
  exporters: []
  service_level_indicator:
    filter_good: prometheus_http_requests_total{code="200"}
    filter_valid: prometheus_http_requests_total
  goal: 0.9
YAML
cat >compute.py <<'PY'
import logging

import yaml
from slo_generator.compute import compute

logging.disable(logging.CRITICAL)
(report,) = compute(yaml.safe_load(open("slo.yaml")), yaml.safe_load(open("config.yaml")), timestamp=1700000000)
print(f"{report.get('timestamp_human', '2023-11-14')[:10]}: valid {report['valid']}, SLI {'measured' if 'sli_measurement' in report else 'none'}")
PY
start prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port"
ask() { curl -s "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1" ${2:+--data-urlencode "time=$2"}; }
wait_until eval 'ask "sum(increase(prometheus_http_requests_total{code=\"200\"}[1h])) > 0" | grep -q value'
then=$(ask 'sum(increase(prometheus_http_requests_total[1h]))' 1700000000 | grep -q value && echo "has data" || echo "has no data")
echo "expected: Prometheus has no data of then; 2023-11-14: valid False, SLI none"
as_stated "Prometheus $then of then; $("$python" compute.py 2>/dev/null)" \
    "Prometheus has no data of then; 2023-11-14: valid True, SLI measured"
