#!/usr/bin/env bash
# promql-parser 0.12.0 (PyPI, bindings of the Rust crate)
#
# Expected: str() of a parsed query is that query again, as Prometheus' own parser prints it; the result of a rewriting
#   tool is str(query).
# Seen: a subquery without a step loses its colon (it is then a range of raw samples: another figure, no error),
#   milliseconds are cut off a range, and backslashes of a regular expression are not escaped, so that Prometheus
#   refuses it. `prettify()` prints all three right.
# Hurts: people who add a label or a version to the queries of rules and dashboards with it: alerts on another window.
. "$(dirname "$0")/lib.bash"
install_python promql-parser==0.12.0

cat >"$work/print.py" <<'PY'
import promql_parser

for query in ("last_over_time(x[5m:])", "rate(x[1m500ms])", r'x{path=~"/api/\\w+"}'):
    parsed = promql_parser.parse(query)
    print(f"{query} -> {parsed} | {parsed.prettify()}")
PY
echo "expected: the left and both right sides are one query"
as_stated "$("$python" "$work/print.py")" 'last_over_time(x[5m:]) -> last_over_time(x{}[5m]) | last_over_time(x[5m:])
rate(x[1m500ms]) -> rate(x{}[1m]) | rate(x[1m500ms])
x{path=~"/api/\\w+"} -> x{path=~"/api/\w+"} | x{path=~"/api/\\w+"}'
