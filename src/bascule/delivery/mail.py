"""Mail with a text and an HTML part and attachments, over SMTP with TLS and authentication."""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Any

from bascule.delivery.line import Line
from bascule.delivery.message import Doubtful, Message, Unacceptable
from bascule.delivery.secrets import read_secret
from bascule.errors import DeliveryFailed
from bascule.spec.receivers import Email

_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_ASK_LATER = range(400, 500)  # SMTP answers that a retry may change


def send_mail(email: Email, address: str, message: Message, line: Line) -> None:
    """To one of the receiver's addresses; all of them are in `To`.

    Raises DeliveryFailed, or Doubtful when the server took the message and did not answer.
    """
    password = read_secret(email.password_file) if email.password_file else ""
    letter = compose(email, message)
    server = _connect(email, line)
    try:
        _log_in(server, email, password)
        _hand_over(server, email, address, letter)
    except smtplib.SMTPException as error:
        raise _failed(email, error) from error
    except OSError as error:
        raise DeliveryFailed(
            f"{email.smtp} closed the connection: {error}", "check the network", can_retry=True
        ) from error
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.quit()


def compose(email: Email, message: Message) -> EmailMessage:
    """The same key gives the same Message-ID, so that mail servers recognise a second copy; a thread's mails refer to
    one root, so that mail programs show them together."""
    letter = EmailMessage()
    letter["From"] = email.sender
    letter["To"] = ", ".join(email.to)
    letter["Subject"] = message.subject
    letter["Date"] = formatdate()
    letter["Message-ID"] = _identity(email, message.key)
    if message.thread:
        letter["In-Reply-To"] = letter["References"] = _identity(email, f"thread {message.thread}")
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.text)
    if message.html:
        letter.add_alternative(message.html, subtype="html")
    for attachment in message.attachments:
        main, _, sub = attachment.media_type.partition("/")
        letter.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.name)
    return letter


def _identity(email: Email, key: str) -> str:
    """A key may hold characters that a Message-ID must not (RFC 5322, 3.6.4)."""
    domain = email.sender.rpartition("@")[2].strip("<> ")
    host = domain if _DOMAIN.fullmatch(domain) else "bascule.invalid"
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{host}>"


class _Server(smtplib.SMTP):
    """Its line can be cut from the first byte on, also while it waits for the server's greeting."""

    def __init__(self, line: Line, host: str, port: int, **more: Any) -> None:
        line.holds(self._hang_up)
        super().__init__(host, port, timeout=line.timeout, **more)

    def _hang_up(self) -> None:
        if self.sock is not None:
            self.sock.shutdown(socket.SHUT_RDWR)


class _ServerOverTls(_Server, smtplib.SMTP_SSL):
    pass


def _connect(email: Email, line: Line) -> smtplib.SMTP:
    host, _, port = email.smtp.rpartition(":")
    context = ssl.create_default_context(cafile=str(email.ca_file) if email.ca_file else None)
    try:
        if email.tls == "implicit":
            return _ServerOverTls(line, host, int(port), context=context)
        server = _Server(line, host, int(port))
        if email.tls == "starttls":
            server.starttls(context=context)
        return server
    except ssl.SSLError as error:
        raise DeliveryFailed(
            f"{email.smtp}: {error}", "check the server's certificate, or set ca_file", can_retry=False
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryFailed(f"{email.smtp} cannot be reached: {error}", "check the address", can_retry=True) from error


def _log_in(server: smtplib.SMTP, email: Email, password: str) -> None:
    if email.username is None:
        return
    try:
        server.login(email.username, password)
    except smtplib.SMTPAuthenticationError as error:
        what = f"{email.smtp} refused the login of {email.username}: {_text(error.smtp_error)}"
        raise DeliveryFailed(what, "check username and password_file", can_retry=False) from error


def _hand_over(server: smtplib.SMTP, email: Email, address: str, letter: EmailMessage) -> None:
    try:
        server.send_message(letter, to_addrs=[parseaddr(address)[1] or address])
    except (smtplib.SMTPServerDisconnected, TimeoutError) as error:
        raise Doubtful(f"{email.smtp} accepted the mail and did not confirm it: {error}") from error


def _failed(email: Email, error: smtplib.SMTPException) -> DeliveryFailed:
    code = getattr(error, "smtp_code", None)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next(iter(error.recipients.values()))[0]
    later = code is None or code in _ASK_LATER
    if isinstance(error, smtplib.SMTPDataError) and not later:
        return Unacceptable(f"{email.smtp} refused the mail: {error}")
    return DeliveryFailed(f"{email.smtp} refused the mail: {error}", "check sender and addresses", can_retry=later)


def _text(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
