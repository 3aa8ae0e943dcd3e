"""The text of nginx.conf."""

from __future__ import annotations

import pytest

from bascule.errors import UsageError
from bascule.lab.nginx import Front


@pytest.fixture
def front(tmp_path):
    return Front(
        folder=tmp_path,
        listen="127.0.0.1:8081",
        access_log=tmp_path / "access.json",
        upstreams={"v1": "127.0.0.1:1", "v2": "127.0.0.1:2"},
        baseline="v1",
        candidate="v2",
        shares={"freemium": 0.0, "api_partners": 0.0, "enterprise": 0.0},
    )


def test_no_share_is_no_split(front):
    assert 'split_clients "$http_x_user_id" $split_freemium { * v1; }' in front.config()


@pytest.mark.parametrize(
    ("share", "split"), [(0.1, "10.00% v2; * v1;"), (1.0, "* v2;"), (0.333, "33.30% v2; * v1;"), (0.00001, "* v1;")]
)
def test_a_share_is_written_in_percent(front, share, split):
    assert f"$split_freemium {{ {split} }}" in front.with_shares({"freemium": share}).config()


def test_segments_that_are_not_named_keep_their_share(front):
    both = front.with_shares({"freemium": 0.1}).with_shares({"api_partners": 0.2})
    assert both.shares == {"freemium": 0.1, "api_partners": 0.2, "enterprise": 0.0}
    assert both.generation == 2


@pytest.mark.parametrize("wrong", [{"freemium": 1.2}, {"freemium": -0.1}, {"x; }": 0.5}])
def test_a_wrong_share_is_refused(front, wrong):
    with pytest.raises(UsageError):
        front.with_shares(wrong)


def test_every_path_is_inside_the_folder(front, tmp_path):
    config = front.config()
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        assert f"{kind}_temp_path {tmp_path}/" in config
    assert f"pid {tmp_path}/nginx.pid;" in config


def test_what_a_version_fails_is_tried_again_at_its_backup_and_only_there(front):
    again = front.with_routes(front.upstreams, {"v2": front.upstreams["v1"]}, {"127.0.0.1:9": "127.0.0.1:2"})
    assert again.generation == front.generation + 1
    assert f"server {front.upstreams['v1']} backup;" in again.config()
    assert "proxy_next_upstream error timeout http_500 non_idempotent;" in again.config()
    assert "proxy_next_upstream off;" in front.config()
    assert "backup" not in front.config()
    assert '"127.0.0.1:9" "127.0.0.1:2";' in again.config()
