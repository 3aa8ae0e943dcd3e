#!/usr/bin/env bash
# Prometheus' blackbox exporter 0.23.0 (Debian 12)
#
# Expected: probe_ssl_earliest_cert_expiry tells when a certificate expires, before and after that moment; the usual alert
#   is `probe_ssl_earliest_cert_expiry - time() < 14 days`.
# Seen: once the certificate has expired, verification fails and the metric is absent: the alert *resolves* in the moment
#   in which what it warned of happens. Only probe_success 0 is left, without a reason.
# Hurts: whoever has that alert: the team reads "resolved" and takes the certificate for renewed.
. "$(dirname "$0")/lib.bash"
install_debian 'prometheus-blackbox-exporter=0.23.0*'

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=finding 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost 2>/dev/null
touch index
echo 01 >serial
echo subjectAltName=IP:127.0.0.1 >names
cat >ca.cnf <<'CNF'
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
CNF
certificate() { # FILE END
    openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in server.csr -out "$1" -notext -extfile names \
        -startdate "$(date -u -d '-30 days' +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$2" +%Y%m%d%H%M%SZ)" 2>/dev/null
}
certificate soon.pem '+3 days'
certificate past.pem '-1 hour'
cat >serve.py <<'PY'
import ssl, sys
from http.server import HTTPServer, SimpleHTTPRequestHandler

server = HTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], "server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
cat >blackbox.yml <<YAML
modules:
  https: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, tls_config: {ca_file: $work/ca.pem}}}
YAML
soon=$(free_port) past=$(free_port) exporter=$(free_port)
start python3 serve.py "$soon" soon.pem
start python3 serve.py "$past" past.pem
start prometheus-blackbox-exporter --config.file=blackbox.yml --web.listen-address="127.0.0.1:$exporter"
wait_until curl -sk "https://127.0.0.1:$soon/"
wait_until curl -sk "https://127.0.0.1:$past/"
wait_until answers "http://127.0.0.1:$exporter/"
expiry() {
    curl -s "http://127.0.0.1:$exporter/probe?module=https&target=https://127.0.0.1:$1" | awk -v now="$(date +%s)" '
        $1 == "probe_success" {success = $2}
        $1 == "probe_ssl_earliest_cert_expiry" {days = sprintf("%.0f days", ($2 - now) / 86400)}
        END {print "success " success ", expiry " (days == "" ? "absent" : "in " days)}'
}
echo "expected: the expiry of both, in 3 days and in the past"
as_stated "expires in 3 days: $(expiry "$soon"); expired an hour ago: $(expiry "$past")" \
    "expires in 3 days: success 1, expiry in 3 days; expired an hour ago: success 0, expiry absent"
