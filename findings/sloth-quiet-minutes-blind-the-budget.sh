#!/usr/bin/env bash
# Sloth v0.16.0 (github.com/slok/sloth), rules evaluated by promtool 2.42.0 (Debian 12)
#
# Expected: `slo:sli_error:ratio_rate30d` is the error ratio of 30 days, and `slo:period_error_budget_remaining:ratio` what
#   is left of their budget, for the events SLI of Sloth's own getting-started page. A half-hour without requests adds
#   nothing to either.
# Seen: the ratio of 30 days is a sum over the recorded ratios of 5 minutes. Those of quiet minutes are 0/0 and recorded as
#   NaN, so one quiet half-hour (the night of a new service, a maintenance) makes the 30-day ratio and the remaining budget
#   NaN for 30 days. No comparison with NaN is true: no alert on the budget fires, however much of it is spent.
# Hurts: people who read or alert on the budget of a service that is not asked around the clock.
. "$(dirname "$0")/lib.bash"
install_debian 'prometheus=2.42.0*'
install_go_program github.com/slok/sloth/cmd/sloth@v0.16.0

cat >slo.yml <<'YAML'
version: prometheus/v1
service: shop
slos:
- name: requests
  objective: 99.9
  sli:
    events:
      error_query: sum(rate(http_requests_total{status=~"5.."}[{{.window}}]))
      total_query: sum(rate(http_requests_total[{{.window}}]))
  alerting: {name: Shop}
YAML
sloth generate -i slo.yml -o rules.yml >"$work/sloth.log" 2>&1 || { tail -2 "$work/sloth.log" >&2; exit 2; }

# 1 error in 1001 requests until 8:20, half an hour without requests, then every second request fails
cat >test.yml <<'YAML'
rule_files: [rules.yml]
evaluation_interval: 5m
tests:
- interval: 5m
  input_series:
  - {series: 'http_requests_total{status="200"}', values: '0+1000x100 100000x6 100000+1000x180'}
  - {series: 'http_requests_total{status="500"}', values: '0+1x100 100x6 100+1000x180'}
  promql_expr_test:
  - {expr: 'round(slo:sli_error:ratio_rate5m, 0.001)', eval_time: 23h}
  - {expr: 'round(slo:sli_error:ratio_rate30d, 0.001)', eval_time: 8h}
  - {expr: 'round(slo:sli_error:ratio_rate30d, 0.001)', eval_time: 23h}
  - {expr: 'slo:period_error_budget_remaining:ratio', eval_time: 23h}
  - {expr: 'count(slo:period_error_budget_remaining:ratio < 0)', eval_time: 23h}
YAML
promtool test rules test.yml >answers.txt 2>&1 || true # it expects nothing, and prints what it got
value() { # EXPRESSION TIME
    awk -v wanted="expr: \"$1\", time: $2," 'index($0, wanted) {found = 1} found && /got:/ {value = $NF; exit} END {print value == "" ? "none" : value == "NaN" ? value : value + 0}' answers.txt
}
echo "expected: 30d at 8:00 0.001, 30d at 23:00 about 0.3, budget remaining far below 0"
as_stated "5m at 23:00 $(value 'round(slo:sli_error:ratio_rate5m, 0.001)' 23h), 30d at 8:00 $(value 'round(slo:sli_error:ratio_rate30d, 0.001)' 8h), 30d at 23:00 $(value 'round(slo:sli_error:ratio_rate30d, 0.001)' 23h), budget remaining $(value 'slo:period_error_budget_remaining:ratio' 23h), below 0: $(value 'count(slo:period_error_budget_remaining:ratio < 0)' 23h)" \
    "5m at 23:00 0.5, 30d at 8:00 0.001, 30d at 23:00 NaN, budget remaining NaN, below 0: none"
