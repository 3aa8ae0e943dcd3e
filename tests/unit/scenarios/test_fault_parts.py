"""What single faults do to the lab, without a whole stack: each breaks what it says, and puts it right."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from bascule.lab import RedisCluster
from bascule.processes.ready import wait_until
from bascule.scenarios import tls
from bascule.scenarios.drills.information import Scales, Shift, information_bound
from bascule.scenarios.faults import fault_named
from bascule.scenarios.site import BUSY_PARTNER, DOOR, SESSIONS, Site, SitePart, standing_site
from bascule.spec import load


@dataclass
class Lab:
    """Remembers what it was asked to do."""

    folder: Path
    asked: list[tuple] = field(default_factory=list)

    def fault(self, service, **changes):
        self.asked.append(("fault", service, changes))
        return 1.0

    def repair(self, service):
        self.asked.append(("repair", service))

    def reroute(self, upstreams, backups=()):
        self.asked.append(("reroute", dict(upstreams), dict(backups)))
        return 1.0


@pytest.fixture
def house(tmp_path):
    return SimpleNamespace(lab=Lab(tmp_path), address=lambda version: f"{version}:1", site=Site())


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("error-partner", {"error_rate_by_partner": {"acme": 0.5}}),
        ("error-endpoint", {"error_rate_by_endpoint": {"/api/rate": 0.5}}),
        ("clock-skew", {"clock_ahead": 120.0}),
    ],
)
def test_a_fault_of_v2_is_put_in_and_repaired(house, key, changes):
    fault = fault_named(key)
    fault.inject(house)
    fault.remove(house)
    assert house.lab.asked == [("fault", "v2", changes), ("repair", "v2")]


def test_an_upstream_that_is_down_is_an_address_at_which_nobody_listens(house):
    fault = fault_named("upstream-down")
    fault.inject(house)
    fault.remove(house)
    (_, upstreams, _), back = house.lab.asked
    host, _, port = upstreams["v2"].rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 1.0)
    assert back == ("reroute", {}, {})


def test_what_v2_fails_is_tried_again_on_v1_until_the_fault_is_removed(house):
    fault = fault_named("nginx-retries")
    fault.inject(house)
    fault.remove(house)
    assert house.lab.asked[0] == ("reroute", {}, {"v2": "v1:1"})
    assert house.lab.asked[-1] == ("reroute", {}, {})
    assert ("repair", "v2") in house.lab.asked


def test_a_share_that_stalls_is_a_step_of_the_plan_that_the_balancer_does_not_take(house):
    told = []
    house.journal = SimpleNamespace(set_phase=lambda number, *_, force: told.append(number))
    fault = fault_named("share-stalled")
    fault.inject(house)
    fault.remove(house)
    assert told == [4, 3]
    assert house.lab.asked == []


@pytest.mark.skipif(bool(tls.unable()), reason=tls.unable())
def test_the_certificate_of_the_door_is_replaced_while_it_serves(tmp_path):
    with standing_site(tmp_path, {SitePart.TLS}) as site:
        house = SimpleNamespace(door=site.door)
        trusted = ssl.create_default_context(cafile=str(site.door.ca))

        def days_left():
            host, _, port = site.door.address.rpartition(":")
            with trusted.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as served:
                return (ssl.cert_time_to_seconds(served.getpeercert()["notAfter"]) - time.time()) / 86400

        assert httpx.get(f"https://{site.door.address}/health", verify=trusted, trust_env=False).status_code == 200
        assert days_left() > 80
        fault = fault_named("certificate")
        fault.inject(house)
        assert days_left() < 1
        fault.remove(house)
        assert days_left() > 80
        probe = site.watched(load("supersmartmatch")).probes[DOOR]
        assert (probe.kind, probe.ca_file) == ("https", site.door.ca)


def test_the_partner_with_the_small_quota_is_known_to_the_labs_services():
    spec = Site().in_lab(load("supersmartmatch"))
    assert spec.segments.named["api_partners"].quotas[BUSY_PARTNER] == 300 / 3600  # a second


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk needs root")
def test_a_disk_that_fills_is_full_while_the_fault_is_in_and_gone_after(house):
    fault = fault_named("disk-filling")
    if fault.unable:
        pytest.skip(fault.unable)
    where = house.lab.folder / "drill-disk"
    try:
        fault.inject(house)
        assert os.statvfs(where).f_bavail < 0.02 * os.statvfs(where).f_blocks
    finally:
        fault.remove(house)
    assert not where.exists()
    fault.remove(house)  # as after an injection that came half the way
    assert str(where) in fault.leaves(house)[0]


@pytest.mark.real
def test_the_replica_of_a_killed_master_takes_over_and_the_master_comes_back_as_its_replica(tmp_path):
    with RedisCluster(tmp_path) as cluster:
        house = SimpleNamespace(cluster=cluster, wait_for=lambda _, condition, seconds: wait_until(condition, seconds))
        watched = Site(cluster=cluster).watched(load("supersmartmatch"))
        assert watched.services[SESSIONS].targets == list(cluster.addresses)
        before = cluster.master_of(0)
        fault = fault_named("redis-failover")
        fault.inject(house)
        assert not cluster.is_running(before)
        fault.remove(house)
        assert cluster.master_of(0) != before
        assert wait_until(lambda: cluster.is_whole, 20)


def test_a_slow_network_lies_between_nginx_and_v2_until_it_is_removed(house):
    asked = []
    server = _counting(asked)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    house.address = lambda version: f"127.0.0.1:{server.server_port}"
    fault = fault_named("slow-network")
    fault.inject(house)
    through = house.lab.asked[0][1]["v2"]
    with httpx.Client(base_url=f"http://{through}", headers={"X-Partner": "acme"}, trust_env=False) as client:
        began = time.monotonic()
        assert client.post("/api/match", json={}).status_code == 200
        assert time.monotonic() - began >= 0.08  # there and back
    fault.remove(house)
    assert house.lab.asked[-1] == ("reroute", {}, {})
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(through.rsplit(":", 1), 1.0)
    server.shutdown()
    server.server_close()


def test_a_quota_is_exceeded_by_requests_of_that_partner_alone(house):
    asked = []

    class Front(threading.Thread):
        """Counts the partners that ask."""

        def __init__(self):
            super().__init__(daemon=True)
            self.server = _counting(asked)

        def run(self):
            self.server.serve_forever(0.05)

    front = Front()
    front.start()
    house.front, house.wait = f"http://127.0.0.1:{front.server.server_port}", lambda seconds: None
    fault_named("quota-exceeded").inject(house)
    front.server.shutdown()
    front.server.server_close()
    assert asked == [BUSY_PARTNER] * 600


def _counting(asked):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.headers["X-Partner"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def test_the_information_bound_grows_as_traffic_falls_and_as_the_shift_gets_smaller():
    scales = Scales(per_second=20, alpha=0.01 / 40)
    large, small = Shift(0.0002, 0.12), Shift(0.0002, 0.03)
    part = Shift(0.0002, 0.12, traffic=0.25)
    assert information_bound(large, scales) < information_bound(part, scales) < 30
    assert information_bound(large, scales) < information_bound(small, scales)
    assert information_bound(Shift(0.01, 0.05), scales) == pytest.approx(28 + 3, abs=1.5)  # the table of docs/method.md
