"""Ways out for mails: a folder of `.eml` files, or an SMTP server."""

import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, EmailPolicy
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from application.mailing import Mail, Mailer, MailRefusedError
from infrastructure.files.private_files import write_whole
from infrastructure.network import is_loopback
from infrastructure.settings import DEFAULT_MAIL_SENDER, SettingInvalidError, Settings

OUTBOX = "outbox:"
"""The URL that says that mails are to be files."""
SMTP_TIMEOUT_SECONDS = 10.0
# RFC 5321 section 4.2.1: the first digit of a reply says whether it makes sense to try again.
_REFUSED_FOR_GOOD = 500
_CLOSING = 421
"""The server takes nothing more from anybody for now (RFC 5321 section 4.2.3)."""
_SEVEN_BITS = SMTP.clone(cte_type="7bit")
"""What goes through every server."""


def outbox_of(settings: Settings) -> "OutboxMailer | None":
    """The folder that mails are written into, if they are."""
    is_folder = settings.mail_url in {None, OUTBOX}
    return OutboxMailer(settings.home / "outbox", settings.mail_sender) if is_folder else None


def mailer_for(settings: Settings) -> Mailer:
    """The way out that the settings name. Raises `SettingInvalidError`."""
    mailer = outbox_of(settings) or SmtpMailer(settings.mail_url or "", settings.mail_sender)
    if settings.production:
        _check_in_production(settings, mailer)
    return mailer


def _check_in_production(settings: Settings, mailer: "OutboxMailer | SmtpMailer") -> None:
    """Mails hold links that prove who somebody is: they go where it was said, and through TLS."""
    if settings.mail_url is None:
        raise SettingInvalidError("REPRISE_MAIL_URL", f"must be set in production ({OUTBOX} writes files)")
    if isinstance(mailer, SmtpMailer) and not mailer.is_protected:
        raise SettingInvalidError(
            "REPRISE_MAIL_URL", "must begin with smtps:// or smtp+starttls:// in production, unless it is this machine"
        )
    if settings.mail_sender == DEFAULT_MAIL_SENDER:
        raise SettingInvalidError("REPRISE_MAIL_SENDER", "must be set in production, to an address of your own")
    if not settings.public_url.startswith("https://"):
        raise SettingInvalidError(
            "REPRISE_PUBLIC_URL", "must begin with https:// in production, because links contain secrets"
        )


class OutboxMailer:
    """Writes each mail as a file named by its id, so that a mail sent twice is there once."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Write the mail, whole or not at all."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{mail.id}-{mail.user_id.hex}.eml"
        # Nobody's mails go to files but a developer's: thousands of them need not each wait for the disk.
        write_whole(path, _message(mail, self._sender, SMTPUTF8).as_bytes(), durable=False)

    def forget(self, user_id: UUID) -> None:
        """Throw away every mail to a user, whose id is part of its name."""
        for path in self._folder.glob(f"*{user_id.hex}*"):
            path.unlink(missing_ok=True)


class SmtpMailer:
    """Hands mails to an SMTP server: `smtps://`, `smtp+starttls://`, or `smtp://` (with STARTTLS where it is offered).

    An attacker on the path can remove the offer (RFC 3207 section 6); `smtp://` is then unencrypted.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise _url_invalid() from None
        if parts.scheme not in {"smtp", "smtp+starttls", "smtps"} or not parts.hostname:
            raise _url_invalid()
        self._secure = parts.scheme == "smtps"
        self._needs_starttls = parts.scheme == "smtp+starttls"
        self._address = (parts.hostname, port or (465 if self._secure else 587))
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._sender = sender

    @property
    def is_protected(self) -> bool:
        """Whether nobody on the way can read mails: they go through TLS, or stay on this machine."""
        return self._secure or self._needs_starttls or is_loopback(self._address[0])

    def send(self, mail: Mail) -> None:
        """Hand the mail over, to nobody whose certificate is not trusted; smtplib's errors are `OSError`s.

        Raises `MailRefusedError` for what the server says about this mail alone.
        """
        trusted = ssl.create_default_context()
        with self._connect(trusted) as server:
            server.ehlo()
            if self._needs_starttls or (not self._secure and server.has_extn("starttls")):
                server.starttls(context=trusted)  # Raises `smtplib.SMTPNotSupportedError` if it is not offered.
                server.ehlo()
            if self._login:
                _log_in(server, *self._login)
            _hand_over(server, _message(mail, self._sender, _SEVEN_BITS))

    def _connect(self, trusted: ssl.SSLContext) -> smtplib.SMTP:
        if self._secure:
            return smtplib.SMTP_SSL(*self._address, timeout=SMTP_TIMEOUT_SECONDS, context=trusted)
        return smtplib.SMTP(*self._address, timeout=SMTP_TIMEOUT_SECONDS)


def _url_invalid() -> SettingInvalidError:
    return SettingInvalidError(
        "REPRISE_MAIL_URL", "must look like smtps://user:password@host:port or smtp+starttls://host"
    )


def _log_in(server: smtplib.SMTP, user: str, password: str) -> None:
    if not isinstance(server.sock, ssl.SSLSocket):
        message = "a password is sent through TLS only, and the server offers none"
        raise smtplib.SMTPNotSupportedError(message)
    server.login(user, password)


def _hand_over(server: smtplib.SMTP, message: EmailMessage) -> None:
    # What smtplib raises names the recipient, so nothing of it is kept.
    try:
        server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, _),) = error.recipients.values()
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
    except smtplib.SMTPNotSupportedError:
        raise MailRefusedError("no SMTPUTF8", for_good=True) from None
    else:
        return
    if code == _CLOSING:
        raise smtplib.SMTPServerDisconnected(str(code))
    raise MailRefusedError(f"SMTP {code}", for_good=code >= _REFUSED_FOR_GOOD)


def _message(mail: Mail, sender: str, policy: "EmailPolicy[EmailMessage]") -> EmailMessage:
    message = EmailMessage(policy=policy)
    address = parseaddr(sender)[1]
    message["From"] = sender.replace(address, _as_ascii(address))
    message["To"] = _as_ascii(mail.recipient)
    message["Date"] = datetime.now(UTC)
    message["Subject"] = mail.subject
    # The same mail keeps its id, so that receivers can drop a second copy.
    message["Message-ID"] = f"<{mail.id}@{_as_ascii(address).rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _as_ascii(address: str) -> str:
    """An address with its domain in ASCII (IDNA), which every server takes; as it is where the local part is not ASCII.

    RFC 6531 has only servers with SMTPUTF8 take the latter.
    """
    if address.isascii():
        return address
    try:
        return validate_email(address, check_deliverability=False).ascii_email or address
    except EmailNotValidError:
        return address
