"""Changes of the lab that several threads ask for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bascule.lab import Lab, lab_spec, nginx
from bascule.spec import BUILT_IN, load


@pytest.fixture
def lab(tmp_path, monkeypatch):
    found = Lab(lab_spec(load(BUILT_IN), tmp_path), tmp_path)
    monkeypatch.setattr(found, "pid", lambda service: 0)
    return found


def test_changes_of_the_load_balancer_that_meet_are_made_one_after_the_other_and_all_are_kept(lab, monkeypatch):
    written, both, reloading = [], threading.Barrier(2), threading.Barrier(2)

    def reload(front, pid):
        with pytest.raises(threading.BrokenBarrierError):  # the other does not come while this one is in
            reloading.wait(0.2)
        written.append(front)
        return 1.0

    monkeypatch.setattr(nginx, "reload", reload)

    def share():
        both.wait(10)
        return lab.set_share({"freemium": 0.2})

    def route():
        both.wait(10)
        return lab.reroute({"v2": "127.0.0.1:9"})

    with ThreadPoolExecutor(2) as threads:
        assert [each.result() for each in [threads.submit(share), threads.submit(route)]] == [1.0, 1.0]
    assert [front.generation for front in written] == [1, 2]
    assert (written[-1].shares["freemium"], written[-1].upstreams["v2"]) == (0.2, "127.0.0.1:9")
