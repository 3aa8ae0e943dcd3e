#!/usr/bin/env bash
# prometheus-parse 0.2.5 (crates.io)
#
# Expected: a label's value may hold any character ("label_value can be any sequence of UTF-8 characters"); a parser of the
#   text format gives back the series of the page.
# Seen: a series whose label holds a brace, as in the route template /jobs/{job} of FastAPI, Starlette, axum and others, is
#   left out without an error; behind a comma the value is cut off; a label whose value holds = is lost, so that
#   several series become one. Escapes stay as they are written.
# Hurts: people who check or forward a service's metrics with it: exactly the routes with parameters are missing, errors too.
. "$(dirname "$0")/lib.bash"
install_rust prometheus-parse=0.2.5

cat >src/main.rs <<'RS'
const PAGE: &str = r#"# TYPE requests_total counter
requests_total{route="/jobs",status="200"} 1
requests_total{route="/jobs/{job}",status="500"} 2
requests_total{route="/near/48.1,11.5",status="500"} 3
requests_total{route="/find?q=x",status="500"} 4
"#;

fn main() {
    let scrape = prometheus_parse::Scrape::parse(PAGE.lines().map(|line| Ok(line.to_owned()))).unwrap();
    for sample in scrape.samples {
        println!("route={} {:?}", sample.labels.get("route").unwrap_or("(none)"), sample.value);
    }
}
RS
cargo build -q 2>"$work/cargo.log" || cannot_install prometheus-parse
echo "expected: four series, with the routes /jobs, /jobs/{job}, /near/48.1,11.5 and /find?q=x"
as_stated "$(timeout 20 cargo run -q)" 'route=/jobs Counter(1.0)
route=/near/48.1 Counter(3.0)
route=(none) Counter(4.0)'
