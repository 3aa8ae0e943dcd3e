"""Attempts, doubts and records; receivers are real HTTP servers that fail in their own ways."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bascule.delivery import Deliverer, Delivery, Ledger, Message, Policy, Result, deliver
from bascule.delivery.deliver import Clock
from bascule.errors import StoreError, UsageError
from bascule.spec.model import AppriseUrl, PagerDuty, Receiver, Slack, Webhook

QUICK = Policy(pauses=(0.01, 0.01), timeout=0.3)
MESSAGE = Message("key-1", "V2 is worse", "12 % errors", severity="critical")


class Server:
    """Answers with the status codes it is given, in turn; the last one for ever. A 0 hangs, a -1 hangs up, a -2 never
    stops to answer."""

    def __init__(self, *answers: int):
        self.answers = list(answers)
        self.bodies: list[str] = []
        self.keys: list[str | None] = []
        self.released = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/hook"

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                server.keys.append(self.headers.get("Idempotency-Key"))
                answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                if answer == 0:
                    server.released.wait(5)
                if answer == -2:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not server.released.wait(0.05):
                        self.wfile.write(b"X-More: yes\r\n")
                if answer <= 0:
                    self.close_connection = True
                    return
                self.send_response(answer)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        return Handler

    def close(self):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    made: list[Server] = []

    def make(*answers: int) -> Server:
        made.append(Server(*answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def ledger(tmp_path):
    book = Ledger(tmp_path / "deliveries.sqlite")
    yield book
    book.close()


def hook(server: Server) -> Receiver:
    return Receiver(webhook=Webhook(url=server.url))


def test_a_server_error_is_tried_again_with_the_same_key(server):
    one = server(500, 503, 200)
    done = deliver("war-room", hook(one), MESSAGE, QUICK)
    assert (done.result, done.attempts) == (Result.DELIVERED, 3)
    assert one.keys == ["key-1"] * 3


def test_attempts_are_bounded_and_the_last_reason_is_kept(server):
    one = server(500)
    done = deliver("war-room", hook(one), MESSAGE, QUICK)
    assert (done.result, done.attempts) == (Result.FAILED, 3)
    assert "answered 500" in done.detail


def test_a_refusal_that_cannot_change_is_not_tried_again(server):
    one = server(403)
    assert deliver("war-room", hook(one), MESSAGE, QUICK).attempts == 1


def test_too_many_requests_is_tried_again(server):
    assert deliver("war-room", hook(server(429, 200)), MESSAGE, QUICK).result is Result.DELIVERED


def test_a_message_that_nobody_confirmed_is_doubtful_not_failed(server):
    done = deliver("war-room", hook(server(-1, 500)), MESSAGE, QUICK)
    assert done.result is Result.DOUBTFUL


def test_a_doubt_ends_with_a_confirmed_attempt(server):
    done = deliver("war-room", hook(server(-1, 200)), MESSAGE, QUICK)
    assert (done.result, done.attempts) == (Result.DELIVERED, 2)


def test_pauses_grow_as_the_policy_says(server):
    pauses: list[float] = []
    deliver("x", hook(server(500)), MESSAGE, Policy((1, 5, 15), 1), clock=Clock(sleep=pauses.append))
    assert pauses == [1, 5, 15]


def test_a_receiver_that_hangs_does_not_keep_the_others_waiting(server, ledger):
    hanging, well = server(0), server(200)
    deliverer = Deliverer({"slow": hook(hanging), "well": hook(well)}, ledger, Policy(pauses=(), timeout=2.0))
    slow, quick = deliverer.submit("slow", MESSAGE), deliverer.submit("well", MESSAGE)
    assert quick.result().result is Result.DELIVERED
    assert not slow.done()
    assert slow.result().result is Result.DOUBTFUL
    deliverer.close()


def test_what_was_delivered_is_not_sent_again_under_the_same_key(server, ledger):
    one = server(200)
    deliverer = Deliverer({"well": hook(one)}, ledger, QUICK)
    assert deliverer.send_all(["well", "well"], MESSAGE)[0].attempts == 1
    assert deliverer.send_all(["well"], MESSAGE)[0].attempts == 0
    assert len(one.bodies) == 1
    deliverer.close()


def test_every_delivery_is_written_down(server, ledger):
    deliverer = Deliverer({"well": hook(server(200)), "broken": hook(server(500))}, ledger, QUICK)
    deliverer.send_all(["well", "broken"], MESSAGE)
    kept = {d.receiver: (d.result, d.attempts) for d in ledger.all()}
    assert kept == {"well": (Result.DELIVERED, 1), "broken": (Result.FAILED, 3)}
    deliverer.close()


def test_a_receiver_that_is_not_declared_is_named(ledger):
    deliverer = Deliverer({}, ledger, QUICK)
    with pytest.raises(UsageError, match="'nobody' is not a declared receiver"):
        deliverer.submit("nobody", MESSAGE)


def test_slack_gets_its_text_and_its_secret_address_is_never_told(server, tmp_path):
    one = server(403)
    (tmp_path / "url").write_text(one.url + "/very-secret")
    done = deliver("slack", Receiver(slack=Slack(url_file=tmp_path / "url")), MESSAGE, QUICK)
    assert '"*V2 is worse*\\n12 % errors"' in one.bodies[0]
    assert "very-secret" not in done.detail


def test_pagerduty_gets_an_event_that_its_own_end_resolves(server, tmp_path):
    one = server(202)
    (tmp_path / "key").write_text("routing")
    receiver = Receiver(pagerduty=PagerDuty(routing_key_file=tmp_path / "key", url=one.url))
    deliver("pd", receiver, Message("shop-7:step:0:pd", "worse", "x", severity="critical"), QUICK)
    deliver("pd", receiver, Message("shop-7:resolved:9:pd", "over", "x", resolved=True), QUICK)
    assert '"event_action":"trigger","dedup_key":"shop-7"' in one.bodies[0]
    assert '"event_action":"resolve","dedup_key":"shop-7"' in one.bodies[1]


def test_apprise_carries_to_whatever_it_knows(server, tmp_path):
    one = server(200)
    (tmp_path / "url").write_text(one.url.replace("http://", "json://"))
    done = deliver("teams", Receiver(apprise=AppriseUrl(url_file=tmp_path / "url")), MESSAGE, QUICK)
    assert done.result is Result.DELIVERED
    assert "V2 is worse" in one.bodies[0]


def test_an_address_apprise_does_not_know_is_told_without_its_secret(tmp_path):
    (tmp_path / "url").write_text("nonsense://secret")
    done = deliver("teams", Receiver(apprise=AppriseUrl(url_file=tmp_path / "url")), MESSAGE, QUICK)
    assert done.result is Result.FAILED
    assert "secret" not in done.detail


def test_a_receiver_that_never_stops_to_answer_is_left_and_doubtful(server):
    """It is never silent for long, so no silence ends it."""
    policy = Policy(pauses=(), timeout=0.3, limit=0.4)
    done = deliver("on-call", hook(server(-2)), MESSAGE, policy)
    assert (done.result, done.detail) == (Result.DOUBTFUL, "it did not come to an end within 0.4 s")
    assert done.ended - done.started < 2


def test_a_record_that_breaks_keeps_nobody_from_being_told(server, ledger, tmp_path, caplog):
    taking = server(200)
    deliverer = Deliverer({"on-call": hook(taking)}, ledger, QUICK)
    ledger.close()
    (done,) = deliverer.send_all(["on-call"], MESSAGE)
    deliverer.close()
    assert (done.result, len(taking.bodies)) == (Result.DELIVERED, 1)
    assert "not written down" in caplog.text


def test_a_defect_in_a_channel_is_a_failure_that_tells_no_secret(server):
    def broken(receiver, message, timeout):
        raise ValueError("https://hooks.example.com/SECRET")

    done = deliver("on-call", hook(server(200)), MESSAGE, QUICK, broken)
    assert (done.result, done.attempts) == (Result.FAILED, 1)
    assert "SECRET" not in done.detail


@pytest.mark.parametrize("damage", [b"not a database" * 100, None])
def test_a_damaged_record_names_the_file_and_the_mend(tmp_path, damage):
    path = tmp_path / "deliveries.sqlite"
    book = Ledger(path)
    for number in range(300):
        book.record(Delivery(f"{number}", "on-call", "s" * 200, Result.FAILED, 1, "", 1.0, 2.0))
    book.close()
    content = path.read_bytes()
    path.write_bytes(damage or content[:8192] + bytes(byte ^ 0x5A for byte in content[8192:]))
    with pytest.raises(StoreError, match=f"record of deliveries {path} cannot be used") as caught:
        Ledger(path)
    assert "move it (and deliveries.sqlite-wal" in caught.value.mend
