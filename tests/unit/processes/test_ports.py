"""Checking ports: who holds one, and how to change it."""

from __future__ import annotations

import os
import socket

import pytest

from bascule.errors import PortBusy
from bascule.processes import ports


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_free_port_passes(free_port):
    ports.check("127.0.0.1", free_port(), "prometheus")


def test_a_busy_port_is_told_with_its_holder_and_how_to_change_it(taken):
    with pytest.raises(PortBusy) as refusal:
        ports.check("127.0.0.1", taken, "prometheus")
    assert f"port {taken} on 127.0.0.1, wanted for prometheus, is taken by" in refusal.value.what
    assert f"(pid {os.getpid()})" in refusal.value.what
    assert "stack.ports.prometheus in the spec" in refusal.value.fix


def test_the_key_to_change_can_be_another_than_that_of_the_stack(taken):
    with pytest.raises(PortBusy, match=r"change services\.nginx\.targets in the spec"):
        ports.check("127.0.0.1", taken, "nginx", "services.nginx.targets")


def test_a_port_taken_on_all_addresses_is_busy_on_loopback_too():
    with socket.create_server(("", 0)) as server, pytest.raises(PortBusy):
        ports.check("127.0.0.1", server.getsockname()[1], "judge")


def test_an_address_of_another_machine_is_refused_in_words():
    with pytest.raises(PortBusy, match=r"judge cannot listen on 192\.0\.2\.1:9461"):
        ports.check("192.0.2.1", 9461, "judge")


def test_a_connection_that_only_winds_down_does_not_hold_its_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first keeps the port in TIME_WAIT
        client.close()
    ports.check("127.0.0.1", port, "prometheus")


def test_nobody_owns_a_free_port(free_port):
    assert ports.owner(free_port()) is None


def test_a_holder_that_may_not_be_seen_is_told_by_its_user():
    assert str(ports.Owner(None, "", 0)) == "a process of user root"
    assert str(ports.Owner(7, "redis-server *:6379", 0)) == "redis-server *:6379 (pid 7)"


def test_free_ports_differ():
    given = [ports.free() for _ in range(50)]
    assert len(set(given)) == 50
    assert all(port in ports.FREE for port in given)


def test_ports_that_are_wanted_together_move_together_until_all_are_free() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        taken = holder.getsockname()[1]
        wanted = {"one": taken, "other": taken - 7}
        moved = ports.free_together(wanted)
    assert moved["one"] - moved["other"] == 7
    assert (moved["one"] - taken) % 100 == 0
    assert moved["one"] > taken
