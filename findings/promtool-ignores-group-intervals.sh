#!/usr/bin/env bash
# promtool and Prometheus 2.42.0 (Debian 12)
#
# Expected: `promtool test rules` evaluates rules as Prometheus does; a group with `interval: 6s` every 6 s. The page on
#   unit testing speaks of evaluation_interval and of the order of groups, and says nothing of a group's own interval.
# Seen: every group is evaluated at the test file's evaluation_interval. A recorded value that really comes every 6 s comes
#   every second in the test; the alert that counts three values within 5 s passes its test and can never fire.
# Hurts: people who give expensive groups a longer interval and trust a green test: `rate(recorded[5m])` over a group of
#   10 min is tested well and is always empty.
. "$(dirname "$0")/lib.bash"
install_debian 'prometheus=2.42.0*'

cat >rules.yml <<'YAML'
groups:
- name: expensive
  interval: 6s
  rules:
  - {record: recorded, expr: vector(1)}
- name: alerts
  rules:
  - {alert: Fires, expr: 'count_over_time(recorded[5s]) >= 3'}
YAML
cat >test.yml <<'YAML'
rule_files: [rules.yml]
evaluation_interval: 1s
tests:
- interval: 1s
  input_series: []
  alert_rule_test:
  - {eval_time: 15s, alertname: Fires, exp_alerts: [{}]}
YAML
cat >prometheus.yml <<'YAML'
global: {evaluation_interval: 1s}
rule_files: [rules.yml]
YAML
if promtool test rules test.yml >/dev/null 2>&1; then tested=fires; else tested="does not fire"; fi
port=$(free_port)
start prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port"
ask() { curl -s "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1"; }
wait_until eval 'ask "count_over_time(recorded[1m]) >= 4" | grep -q value'
if ask 'count_over_time(ALERTS[1m])' | grep -q Fires; then live=fires; else live="never fired"; fi
echo "expected: the same in the test and in Prometheus"
as_stated "the test: $tested; Prometheus, after four evaluations: $live" "the test: fires; Prometheus, after four evaluations: never fired"
