"""Mail through a real SMTP server with TLS and authentication."""

from __future__ import annotations

import email
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from bascule.delivery import Attachment, Doubtful, Message
from bascule.delivery.line import Line
from bascule.delivery.mail import send_mail
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import Email

PASSWORD = "correct horse"


class Box:
    """A mail server's handler: keeps what came, or answers as it is told."""

    def __init__(self):
        self.letters = []
        self.answer = "250 OK"
        self.hang_up = False

    async def handle_DATA(self, server, session, envelope):
        self.letters.append((session.auth_data, envelope))
        if self.hang_up:
            server.transport.abort()
        return self.answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"bascule" and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=good, auth_data=data.login if good else None)


@pytest.fixture
def box():
    return Box()


@pytest.fixture
def server(box, certificate, free_port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    class Secured(Controller):
        def factory(self):
            return SMTP(
                self.handler, tls_context=context, require_starttls=True, auth_required=True, authenticator=authenticate
            )

    controller = Secured(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def account(server, certificate, tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return Email(
        to=["board@example.com", "ops@example.com"],
        smtp=f"localhost:{server.port}",
        sender="bascule@example.com",
        username="bascule",
        password_file=tmp_path / "password",
        ca_file=certificate[0],
    )


def message(**more):
    given = {"key": "sla-2026-01", "subject": "SLA report", "text": "All kept.", "html": "<p>All kept.</p>"} | more
    return Message(**given)


def test_a_report_arrives_with_its_html_body_and_its_attachment(account, box):
    send_mail(
        account,
        "board@example.com",
        message(attachments=(Attachment("report.pdf", b"%PDF-1.7 x", "application/pdf"),)),
        Line(5, 30),
    )
    ((who, envelope),) = box.letters
    letter = email.message_from_bytes(envelope.content, policy=default)
    assert who == b"bascule"
    assert envelope.rcpt_tos == ["board@example.com"]
    assert letter["To"] == "board@example.com, ops@example.com"
    assert letter["Subject"] == "SLA report"
    assert letter.get_body(("plain",)).get_content().strip() == "All kept."
    assert "<p>All kept.</p>" in letter.get_body(("html",)).get_content()
    (pdf,) = letter.iter_attachments()
    assert (pdf.get_filename(), pdf.get_content()) == ("report.pdf", b"%PDF-1.7 x")


def test_every_attempt_carries_the_same_valid_message_id_and_a_thread_holds_together(account, box):
    """RFC 5322 allows no colon and wants an @: read by a parser that refuses what is not valid."""
    for key in (
        "shop-1:step:critical.0.12.000:on-call",
        "shop-1:step:critical.0.12.000:on-call",
        "shop-1:resolved:9:x",
    ):
        send_mail(account, "board@example.com", message(key=key, thread="shop-1-12000"), Line(5, 30))
    letters = [email.message_from_bytes(e.content, policy=default) for _, e in box.letters]
    ids = [letter["Message-ID"] for letter in letters]
    assert all(re.fullmatch(r"<[0-9a-f]{32}@example\.com>", each) for each in ids)
    assert (ids[0] == ids[1], ids[0] == ids[2]) == (True, False)
    assert not any(letter["Message-ID"].defects for letter in letters)
    assert len({letter["In-Reply-To"] for letter in letters}) == 1


def test_a_subject_cannot_smuggle_a_header_in(account, box):
    send_mail(account, "board@example.com", message(subject="SLA\r\nBcc: spy@example.com"), Line(5, 30))
    letter = email.message_from_bytes(box.letters[0][1].content, policy=default)
    assert letter["Bcc"] is None
    assert letter["Subject"] == "SLA Bcc: spy@example.com"


def test_a_wrong_password_is_told_and_never_tried_again(account, tmp_path, box):
    (tmp_path / "password").write_text("wrong")
    with pytest.raises(DeliveryFailed, match="refused the login of bascule") as failure:
        send_mail(account, "board@example.com", message(), Line(5, 30))
    assert not failure.value.can_retry
    assert "wrong" not in str(failure.value)
    assert box.letters == []


def test_a_certificate_nobody_vouches_for_is_refused(account):
    with pytest.raises(DeliveryFailed, match="certificate") as failure:
        send_mail(account.model_copy(update={"ca_file": None}), "board@example.com", message(), Line(5, 30))
    assert not failure.value.can_retry


def test_a_server_that_hangs_up_after_the_mail_leaves_a_doubt(account, box):
    box.hang_up = True
    with pytest.raises(Doubtful):
        send_mail(account, "board@example.com", message(), Line(5, 30))
    assert len(box.letters) == 1


@pytest.mark.parametrize(("answer", "later"), [("451 try later", True), ("552 too big", False)])
def test_a_refusal_says_whether_a_retry_can_help(account, box, answer, later):
    box.answer = answer
    with pytest.raises(DeliveryFailed) as failure:
        send_mail(account, "board@example.com", message(), Line(5, 30))
    assert failure.value.can_retry is later


def test_one_refused_address_is_told_while_the_other_gets_its_mail(account, box):
    with pytest.raises(DeliveryFailed, match="no such user"):
        send_mail(account, "nobody@example.com", message(), Line(5, 30))
    send_mail(account, "board@example.com", message(), Line(5, 30))
    assert [envelope.rcpt_tos for _, envelope in box.letters] == [["board@example.com"]]


def test_a_server_that_is_not_there_can_be_tried_again(account, free_port):
    with pytest.raises(DeliveryFailed, match="cannot be reached") as failure:
        send_mail(
            account.model_copy(update={"smtp": f"127.0.0.1:{free_port()}"}), "a@example.com", message(), Line(2, 30)
        )
    assert failure.value.can_retry


@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_a_server_that_drips_its_greeting_is_cut_off(account, tls, tmp_path, certificate):
    """Each byte comes in time, the line never ends: only the one who waits can end it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def drip():
        with suppress(OSError), listening.accept()[0] as plain, served(plain, context, tls) as line:
            while True:
                line.sendall(b"2")
                time.sleep(0.05)

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    dripped = account.model_copy(update={"smtp": f"localhost:{listening.getsockname()[1]}", "tls": tls})
    line = Line(2, 30)
    sending = threading.Thread(target=lambda: attempt(dripped, line), daemon=True)
    sending.start()
    sending.join(0.5)
    assert sending.is_alive()
    line.cut()
    sending.join(5)
    assert not sending.is_alive()
    listening.close()


def served(plain, context, tls):
    return context.wrap_socket(plain, server_side=True) if tls == "implicit" else plain


def attempt(account, line):
    with suppress(DeliveryFailed):
        send_mail(account, "board@example.com", message(), line)


def test_a_missing_secret_names_its_file(account, tmp_path):
    with pytest.raises(DeliveryFailed, match="nowhere"):
        send_mail(
            account.model_copy(update={"password_file": tmp_path / "nowhere"}),
            "board@example.com",
            message(),
            Line(2, 30),
        )
