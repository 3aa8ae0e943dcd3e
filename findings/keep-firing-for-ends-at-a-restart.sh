#!/usr/bin/env bash
# Prometheus 2.42.0 (Debian 12)
#
# Expected: `keep_firing_for: 1h` keeps an alert firing for an hour after its expression stopped to be true. `for` of a
#   pending alert survives a restart of Prometheus (ALERTS_FOR_STATE), so one expects the same of its counterpart.
# Seen: after a restart (a package upgrade, a changed flag) the alert is gone at once, without a word; Alertmanager then
#   reports it as resolved. Neither the page on alerting rules nor the flags say so.
# Hurts: whoever uses it so that only a lasting recovery ends an alert: the recovery is announced minutes after the fault.
. "$(dirname "$0")/lib.bash"
install_debian 'prometheus=2.42.0*'

port=$(free_port)
until=$(($(date +%s) + 8))
cat >rules.yml <<YAML
groups:
- name: kept
  rules:
  - {alert: Kept, expr: vector(time()) < $until, keep_firing_for: 1h}
YAML
cat >prometheus.yml <<'YAML'
global: {evaluation_interval: 1s}
rule_files: [rules.yml]
YAML
prometheus_starts() {
    start prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port"
    wait_until curl -sf "http://127.0.0.1:$port/-/ready"
}
evaluated_again() { # waits for two evaluations more
    local since
    since=$(date +%s)
    wait_until eval "curl -s 'http://127.0.0.1:$port/api/v1/rules' | python3 -c 'import datetime, json, sys; when = json.load(sys.stdin)[\"data\"][\"groups\"][0][\"lastEvaluation\"]; sys.exit(datetime.datetime.fromisoformat(when[:19] + \"+00:00\").timestamp() < $since + 2)'"
}
firing() { curl -s "http://127.0.0.1:$port/api/v1/alerts" | grep -q '"state":"firing"' && echo firing || echo gone; }

prometheus_starts
evaluated_again
true_now=$(firing)
wait_until eval "[ \$(date +%s) -gt $until ]"
evaluated_again
kept=$(firing)
kill "${pids[0]}"
wait "${pids[0]}" 2>/dev/null || true
prometheus_starts
evaluated_again
echo "expected: while true: firing, kept: firing, after a restart: firing"
as_stated "while true: $true_now, kept: $kept, after a restart: $(firing)" "while true: firing, kept: firing, after a restart: gone"
