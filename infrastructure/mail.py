"""Ways out for mails: a folder of `.eml` files, or an SMTP server."""

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from urllib.parse import unquote, urlsplit

from application.mailing import Mail, Mailer
from infrastructure.settings import SettingInvalidError, Settings

SMTP_TIMEOUT_SECONDS = 10.0


def mailer_for(settings: Settings) -> Mailer:
    """The way out that the settings name."""
    if settings.mail_url is None:
        return OutboxMailer(settings.home / "outbox", settings.mail_sender)
    return SmtpMailer(settings.mail_url, settings.mail_sender)


class OutboxMailer:
    """Writes each mail as a file named by its id, so that a mail sent twice is there once."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Write the mail, whole or not at all."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{mail.id}.eml"
        unfinished = path.with_suffix(".tmp")
        unfinished.write_bytes(_message(mail, self._sender).as_bytes(policy=SMTPUTF8))
        unfinished.replace(path)


class SmtpMailer:
    """Hands mails to an SMTP server: `smtp://` (with STARTTLS where it is offered) or `smtps://`."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise _url_invalid() from None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise _url_invalid()
        self._secure = parts.scheme == "smtps"
        self._address = (parts.hostname, port or (465 if self._secure else 587))
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Hand the mail over, to nobody whose certificate is not trusted; smtplib's errors are `OSError`s."""
        trusted = ssl.create_default_context()
        with self._connect(trusted) as server:
            server.ehlo()
            if not self._secure and server.has_extn("starttls"):
                server.starttls(context=trusted)
                server.ehlo()
            if self._login:
                server.login(*self._login)
            server.send_message(_message(mail, self._sender))

    def _connect(self, trusted: ssl.SSLContext) -> smtplib.SMTP:
        if self._secure:
            return smtplib.SMTP_SSL(*self._address, timeout=SMTP_TIMEOUT_SECONDS, context=trusted)
        return smtplib.SMTP(*self._address, timeout=SMTP_TIMEOUT_SECONDS)


def _url_invalid() -> SettingInvalidError:
    return SettingInvalidError("REPRISE_MAIL_URL", "must look like smtp://user:password@host:port or smtps://host")


def _message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage(policy=SMTPUTF8)
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    # The same mail keeps its id, so that receivers can drop a second copy.
    message["Message-ID"] = f"<{mail.id}@reprise>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message
