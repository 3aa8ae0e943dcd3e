"""Attempts, doubts and records; receivers are real HTTP servers that fail in their own ways."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bascule.delivery import Attachment, Courier, Delivery, Message, Outbox, Policy, Result, channels_of, deliver_now
from bascule.errors import StoreError, UsageError
from bascule.spec.receivers import AppriseUrl, Email, PagerDuty, Receiver, Slack, Webhook

QUICK = Policy(pauses=(0.01, 0.01), timeout=0.3)
MESSAGE = Message("key-1", "V2 is worse", "12 % errors", severity="critical")


class Server:
    """Answers with the status codes it is given, in turn; the last one for ever. A 0 hangs, a -1 hangs up, a -2 never
    stops to answer, a -3 says yes and never stops to say more, a -4 no."""

    def __init__(self, *answers: int, port: int = 0):
        self.answers = list(answers)
        self.refuses = ""  # a text for which it answers 400
        self.headers: dict[str, str] = {}  # of every answer
        self.bodies: list[str] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.released = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/hook"

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                server.paths.append(self.path)
                server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                server.keys.append(self.headers.get("Idempotency-Key"))
                answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                if server.refuses and server.refuses in server.bodies[-1]:
                    answer = 400
                if answer == 0:
                    server.released.wait(5)
                if answer == -2:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not server.released.wait(0.05):
                        self.wfile.write(b"X-More: yes\r\n")
                if answer in (-3, -4):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n" if answer == -3 else b"HTTP/1.1 500 No\r\n\r\nno room")
                    while not server.released.wait(0.05):
                        self.wfile.write(b"more")
                if answer <= 0:
                    self.close_connection = True
                    return
                self.send_response(answer)
                for name, value in server.headers.items():
                    self.send_header(name, value)
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
def outbox(tmp_path):
    made = Outbox(tmp_path / "deliveries.sqlite")
    yield made
    made.close()


@pytest.fixture
def courier(outbox):
    """Starts couriers that write down what was heard; all are closed at the end."""
    made: list[Courier] = []

    def make(receivers, policy=QUICK, clock=time.time):
        heard: list[Delivery] = []
        one = Courier(receivers, outbox, policy, heard.append, clock)
        one.start()
        made.append(one)
        return one, heard

    yield make
    for one in made:
        one.close()


def deliver(name, receiver, message, policy, sleep=time.sleep):
    """The one channel of a receiver."""
    (done,) = deliver_now(name, receiver, message, policy, sleep)
    return done


def hook(server: Server) -> Receiver:
    return Receiver(webhook=Webhook(url=server.url))


def test_no_subject_is_longer_than_every_receiver_takes():
    """PagerDuty: 1,024 characters. An escape is longer than what it stands for."""
    assert [len(Message("k", character * 5000, "x").subject) for character in "s\u202e"] == [1000, 1000]
    assert Message("k", "s" * 1000, "x").subject == "s" * 1000


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
    deliver("x", hook(server(500)), MESSAGE, Policy((1, 5, 15), 1), pauses.append)
    assert pauses == [1, 5, 15]


def test_a_receiver_that_hangs_does_not_keep_the_others_waiting(server, courier, eventually):
    hanging, well = server(0), server(200)
    one, heard = courier({"slow": hook(hanging), "well": hook(well)}, Policy(timeout=2.0))
    one.owe("slow", MESSAGE)
    one.owe("well", MESSAGE)
    assert eventually(lambda: [done.receiver for done in heard]) == ["well"]


def test_channels_of_one_receiver_never_wait_for_each_other_and_none_is_sent_twice(
    server, courier, eventually, tmp_path
):
    """Slack answers 404 for ever, the webhook 503 twice: PagerDuty is called once, at once."""
    slack, pager, webhook = server(404), server(202), server(503, 503, 200)
    (tmp_path / "slack").write_text(slack.url)
    (tmp_path / "key").write_text("routing")
    receiver = Receiver(
        slack=Slack(url_file=tmp_path / "slack"),
        pagerduty=PagerDuty(routing_key_file=tmp_path / "key", url=pager.url),
        webhook=Webhook(url=webhook.url),
    )
    one, heard = courier({"on-call": receiver})
    one.owe("on-call", MESSAGE)
    eventually(lambda: {done.channel for done in heard} == {"pagerduty", "webhook"})
    assert (len(pager.bodies), len(webhook.bodies)) == (1, 3)
    (owed,) = one.outbox.owed()
    assert (owed.channel, owed.attempts, owed.result) == ("slack", 1, Result.OWED)
    assert "answered 404" in owed.detail


def test_a_receiver_that_was_away_gets_everything_that_is_owed_in_order_when_it_is_back(
    server, courier, eventually, free_port
):
    """It is retried for as long as the message lives; the thread's messages keep their order."""
    port = free_port()
    one, heard = courier({"on-call": Receiver(webhook=Webhook(url=f"http://127.0.0.1:{port}/"))})
    for number in range(3):
        one.owe("on-call", Message(f"key-{number}", f"message {number}", "", thread="shop-1"))
    eventually(lambda: one.outbox.owed()[0].attempts >= 2)
    back = Server(200, port=port)
    try:
        eventually(lambda: len(heard) == 3, 15)
        assert back.keys == ["key-0", "key-1", "key-2"]
    finally:
        back.close()


def test_a_message_that_a_receiver_does_not_take_keeps_no_other_waiting(server, courier, eventually):
    """Its end, for instance: refused for what the first one says, it would be told after a day."""
    picky = server(200)
    picky.refuses = "poison"
    one, heard = courier({"on-call": hook(picky)})
    one.owe("on-call", Message("key-0", "poison", "", thread="shop-1"))
    one.owe("on-call", Message("key-1", "resolved", "", thread="shop-1"))
    eventually(lambda: [done.key for done in heard] == ["key-1"])
    (owed,) = one.outbox.owed()
    assert (owed.message.key, owed.attempts > 0) == ("key-0", True)


@pytest.mark.parametrize(
    ("asked", "least", "most"), [("30", 30, 30), ("9999999", 120, 120), ("in a minute", 30, 60), ("soon", 1, 1)]
)
def test_a_receiver_that_asks_for_a_pause_gets_it_up_to_two_minutes(server, courier, eventually, asked, least, most):
    busy, now = server(429), time.time()
    busy.headers = {"Retry-After": formatdate(now + 60, usegmt=True) if asked == "in a minute" else asked}
    one, _ = courier({"busy": hook(busy)}, clock=lambda: now)
    one.owe("busy", MESSAGE)
    eventually(lambda: one.outbox.owed()[0].attempts == 1)
    assert least <= one.outbox.owed()[0].due - now <= most


def test_why_a_receiver_cannot_be_reached_is_told(certificate, free_port):
    """A wrong host and a certificate that nobody vouches for, without the address, which may be a secret."""
    reasons = {}
    with https_server(certificate) as port:
        for name, host in (("wrong host", "nowhere.invalid"), ("nobody vouches", f"localhost:{port}")):
            receiver = Receiver(webhook=Webhook(url=f"https://{host}/secret"))
            reasons[name] = deliver("away", receiver, MESSAGE, Policy(pauses=())).detail
    assert "Name or service not known" in reasons["wrong host"] or "name resolution" in reasons["wrong host"]
    assert "certificate verify failed" in reasons["nobody vouches"]


@contextmanager
def https_server(certificate):
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_what_was_delivered_is_not_sent_again_under_the_same_key(server, courier, eventually):
    taking = server(200)
    one, heard = courier({"well": hook(taking)})
    assert len(one.owe("well", MESSAGE)) == 1
    eventually(lambda: heard)
    assert one.owe("well", MESSAGE) == []
    assert len(taking.bodies) == 1


def test_what_is_owed_survives_a_restart_with_its_attachments(server, tmp_path, eventually):
    path = tmp_path / "deliveries.sqlite"
    first = Outbox(path)
    message = Message("key-9", "report", "text", attachments=(Attachment("a.pdf", b"\x00\xff", "application/pdf"),))
    first.add(message, "well", ["webhook"], time.time())
    first.close()
    again = Outbox(path)
    assert [owed.message for owed in again.owed()] == [message]
    taking = server(200)
    one = Courier({"well": hook(taking)}, again, QUICK)
    one.start()
    eventually(lambda: again.all("key-9")[0].result is Result.DELIVERED)
    one.close()
    again.close()


def test_what_is_owed_to_a_receiver_that_the_spec_no_longer_has_is_given_up_and_told(outbox, courier):
    outbox.add(MESSAGE, "gone", ["webhook"], time.time())
    _, heard = courier({})
    assert [(done.receiver, done.result) for done in heard] == [("gone", Result.EXPIRED)]


def test_a_message_that_became_too_old_is_given_up_and_told(server, courier, eventually):
    one, heard = courier({"broken": hook(server(500))})
    one.owe("broken", Message("key-2", "x", "y", lives=0.0))
    assert eventually(lambda: [done.result for done in heard]) == [Result.EXPIRED]


def test_a_receiver_that_is_not_declared_is_named(courier):
    one, _ = courier({})
    with pytest.raises(UsageError, match="'nobody' is not a declared receiver"):
        one.owe("nobody", MESSAGE)


def test_an_escape_of_slack_in_an_alert_stays_text(server, tmp_path):
    """`<!channel>` in an alert's words calls nobody."""
    one = server(200)
    (tmp_path / "url").write_text(one.url)
    deliver(
        "slack", Receiver(slack=Slack(url_file=tmp_path / "url")), Message("k", "a & b", "<!channel> x" * 400), QUICK
    )
    text = json.loads(one.bodies[0])["text"]
    assert text.startswith("*a &amp; b*\n&lt;!channel&gt; x")
    assert len(text) <= 3000
    assert re.sub("&(amp|lt|gt);", "", text).find("&") == -1


def test_each_mail_address_is_a_channel_of_its_own():
    email = Email(to=["a@example.com", "b@example.com"], smtp="127.0.0.1:1")
    assert list(channels_of(Receiver(email=email))) == ["email a@example.com", "email b@example.com"]


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
    deliver("pd", receiver, Message("shop-7:step:0:pd", "worse", "x", severity="critical", thread="shop-7"), QUICK)
    deliver("pd", receiver, Message("shop-7:resolved:9:pd", "over", "x", resolved=True, thread="shop-7"), QUICK)
    assert '"event_action":"trigger","dedup_key":"shop-7"' in one.bodies[0]
    deliver("pd", receiver, Message("shop-7:ack:9:pd", "taken", "x", acknowledged=True, thread="shop-7"), QUICK)
    assert '"event_action":"resolve","dedup_key":"shop-7"' in one.bodies[1]
    assert '"event_action":"acknowledge","dedup_key":"shop-7"' in one.bodies[2]


def test_what_is_only_for_information_pages_nobody_through_pagerduty(server, tmp_path):
    one = server(202)
    (tmp_path / "key").write_text("routing")
    events = one.url.replace("/hook", "/v2/enqueue")
    receiver = Receiver(pagerduty=PagerDuty(routing_key_file=tmp_path / "key", url=events))
    deliver("pd", receiver, Message("shop-move-1", "PROMOTED by ada", "x"), QUICK)
    assert one.paths == ["/v2/change/enqueue"]
    assert "event_action" not in one.bodies[0]
    assert '"summary":"PROMOTED by ada"' in one.bodies[0]


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


def test_a_receiver_that_never_stops_to_answer_is_cut_off_and_doubtful(server, eventually):
    """It is never silent for long, so no silence ends it."""
    policy = Policy(pauses=(), timeout=0.3, limit=0.4)
    done = deliver("on-call", hook(server(-2)), MESSAGE, policy)
    assert (done.result, done.detail) == (Result.DOUBTFUL, "the attempt timed out after 0.4 s")
    assert done.ended - done.started < 2
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "attempt"])


def test_nobody_waits_for_the_rest_of_an_answer(server):
    """A yes is a yes with its first line, and of a no its beginning is enough, however long they go on."""
    policy = Policy(pauses=(), timeout=5, limit=10)
    done = deliver("on-call", hook(server(-3)), MESSAGE, policy)
    assert done.result is Result.DELIVERED
    done = deliver("on-call", hook(server(-4)), MESSAGE, policy)
    assert done.result is Result.FAILED
    assert "answered 500: no room" in done.detail


def test_a_record_that_breaks_keeps_nobody_from_being_told(server, outbox, courier, eventually, caplog):
    taking = server(200)
    one, heard = courier({"on-call": hook(taking)})
    outbox.close()
    one.owe("on-call", MESSAGE)
    eventually(lambda: heard)
    assert len(taking.bodies) == 1
    assert "are not stored yet" in caplog.text


def test_an_internal_error_in_a_channel_is_a_failure_that_tells_no_secret(monkeypatch, server):
    def broken(webhook, message, line):
        raise ValueError("https://hooks.example.com/SECRET")

    monkeypatch.setattr("bascule.delivery.channels.send", broken)
    done = deliver("on-call", hook(server(200)), MESSAGE, Policy(pauses=()))
    assert (done.result, done.attempts) == (Result.FAILED, 1)
    assert "SECRET" not in done.detail


@pytest.mark.parametrize("damage", [b"not a database" * 100, None])
def test_a_damaged_record_names_the_file_and_the_mend(tmp_path, damage):
    path = tmp_path / "deliveries.sqlite"
    book = Outbox(path)
    for number in range(300):
        book.record(Delivery(f"{number}", "on-call", "webhook", "s" * 200, Result.FAILED, 1, "", 1.0, 2.0))
    book.close()
    content = path.read_bytes()
    path.write_bytes(damage or content[:8192] + bytes(byte ^ 0x5A for byte in content[8192:]))
    with pytest.raises(StoreError, match=f"record of deliveries {path} cannot be used") as caught:
        Outbox(path)
    assert "move it (and deliveries.sqlite-wal" in caught.value.fix
