"""Mails leave whole, to the right person, once under each id; or an `OSError` says that they did not."""

import ssl
import stat
import traceback
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from application.mailing import Mail, Mailer, MailRefusedError
from infrastructure.mail import OutboxMailer, SmtpMailer, mailer_for
from infrastructure.settings import SettingInvalidError, settings_from
from tests.support.ports import reserved_port
from tests.support.smtp_server import smtp_server

SENDER = "no-reply@music.example"
YESTERDAY, TOMORROW = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
MAIL = Mail(
    id="confirm-000000000042",
    user_id=UUID(int=42),
    recipient="ada@example.com",
    subject="Please confirm your email address",
    text="Hello Zoë 李,\n\nhttps://music.example/confirm-email?token=TOKEN\n\n.\n.hidden\n" + "long " * 400 + "\n",
)

FILE = f"confirm-000000000042-{UUID(int=42).hex}.eml"


def text_in(message: EmailMessage) -> str:
    """The text, with the line ends of text rather than of mail."""
    text: str = message.get_content()
    return text.replace("\r\n", "\n")


def written(path: Path) -> EmailMessage:
    message = message_from_bytes(path.read_bytes(), policy=policy.SMTPUTF8)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_in_the_outbox_is_a_file_named_by_its_id(home: Path) -> None:
    OutboxMailer(home / "outbox", SENDER).send(MAIL)

    assert [path.name for path in (home / "outbox").iterdir()] == [FILE]


def test_a_mail_in_the_outbox_can_be_opened_as_a_mail(home: Path) -> None:
    OutboxMailer(home, SENDER).send(MAIL)

    message = written(home / FILE)

    assert (message["From"], message["To"], message["Subject"]) == (SENDER, MAIL.recipient, MAIL.subject)
    assert message["Message-ID"] == "<confirm-000000000042@music.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert text_in(message) == MAIL.text


def test_a_mail_sent_twice_is_in_the_outbox_once(home: Path) -> None:
    mailer = OutboxMailer(home, SENDER)

    mailer.send(MAIL)
    mailer.send(replace(MAIL, text="the second time"))

    assert len(list(home.iterdir())) == 1
    assert text_in(written(home / FILE)) == "the second time\n"


def test_mails_with_different_ids_are_different_files(home: Path) -> None:
    mailer = OutboxMailer(home, SENDER)

    mailer.send(MAIL)
    mailer.send(replace(MAIL, id="confirm-000000000043"))

    assert len(list(home.iterdir())) == 2


def test_an_address_beyond_ascii_is_written_as_it_is(home: Path) -> None:
    OutboxMailer(home, SENDER).send(replace(MAIL, recipient="zoë@bücher.example"))

    assert written(home / FILE)["To"] == "zoë@bücher.example"


def test_only_the_owner_can_look_into_the_outbox(home: Path) -> None:
    OutboxMailer(home / "outbox", SENDER).send(MAIL)

    assert stat.S_IMODE((home / "outbox").stat().st_mode) == 0o700


def test_an_outbox_that_cannot_be_written_to_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file is in the way")

    with pytest.raises(OSError, match="outbox"):
        OutboxMailer(tmp_path / "outbox", SENDER).send(MAIL)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("smtp://mail.example", ("mail.example", 587)),
        ("smtps://mail.example", ("mail.example", 465)),
        ("smtp+starttls://mail.example", ("mail.example", 587)),
        ("smtp://mail.example:25", ("mail.example", 25)),
        ("smtps://[::1]:2465", ("::1", 2465)),
    ],
)
def test_the_ports_are_those_for_submission_unless_the_url_names_another(url: str, address: tuple[str, int]) -> None:
    assert SmtpMailer(url, SENDER)._address == address


def test_a_mail_is_handed_to_the_server_with_its_envelope() -> None:
    with smtp_server() as server:
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)

    (delivery,) = server.deliveries
    assert (delivery.sender, delivery.recipients, delivery.login) == (SENDER, (MAIL.recipient,), None)


def test_a_mail_arrives_as_it_was_written() -> None:
    with smtp_server() as server:
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)

    message = server.deliveries[0].message
    assert (message["From"], message["To"], message["Subject"]) == (SENDER, MAIL.recipient, MAIL.subject)
    assert message["Auto-Submitted"] == "auto-generated"
    assert text_in(message) == MAIL.text


def test_a_mail_sent_twice_has_the_same_message_id() -> None:
    with smtp_server() as server:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER)
        mailer.send(MAIL)
        mailer.send(MAIL)

    assert [d.message["Message-ID"] for d in server.deliveries] == ["<confirm-000000000042@music.example>"] * 2


def test_no_line_of_a_mail_is_longer_than_a_server_must_take() -> None:
    with smtp_server() as server:
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)

    # RFC 5321 section 4.5.3.1.6: 1000 octets with CRLF.
    assert max(len(line) for line in server.deliveries[0].octets.splitlines(keepends=True)) <= 1000


def test_a_mail_says_when_it_was_sent() -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    with smtp_server() as server:
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert before <= server.deliveries[0].message["Date"].datetime <= datetime.now(UTC)


def test_an_address_beyond_ascii_is_handed_to_a_server_that_knows_such() -> None:
    with smtp_server(smtputf8=True) as server:
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(replace(MAIL, recipient="zoë@bücher.example"))

    (delivery,) = server.deliveries
    assert delivery.recipients == ("zoë@bücher.example",)
    assert "SMTPUTF8" in delivery.options.upper().split()
    assert delivery.message["To"] == "zoë@bücher.example"


def test_an_address_beyond_ascii_is_refused_for_good_where_the_server_does_not_know_such() -> None:
    with smtp_server(smtputf8=False) as server, pytest.raises(MailRefusedError, match="no SMTPUTF8") as refusal:
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(replace(MAIL, recipient="zoë@bücher.example"))

    assert (server.deliveries, refusal.value.for_good) == ([], True)


def test_a_domain_beyond_ascii_is_one_for_every_server() -> None:
    with smtp_server(smtputf8=False) as server:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{server.port}", "Bücher <no-reply@bücher.example>")
        mailer.send(replace(MAIL, recipient="zoe@bücher.example"))

    (delivery,) = server.deliveries
    assert (delivery.sender, delivery.recipients) == (
        "no-reply@xn--bcher-kva.example",
        ("zoe@xn--bcher-kva.example",),
    )
    assert delivery.message["To"] == "zoe@xn--bcher-kva.example"
    assert delivery.message["From"] == "Bücher <no-reply@xn--bcher-kva.example>"
    assert delivery.octets.isascii()


@pytest.mark.parametrize(
    ("answer", "for_good"),
    [("550 no such user", True), ("554 no", True), ("450 mailbox busy", False), ("452 full", False)],
)
def test_what_a_server_says_about_one_recipient_is_a_refusal_that_names_nobody(answer: str, *, for_good: bool) -> None:
    with (
        smtp_server(answers={MAIL.recipient: f"{answer} {MAIL.recipient}"}) as server,
        pytest.raises(MailRefusedError) as refusal,
    ):
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert (refusal.value.answer, refusal.value.for_good) == (f"SMTP {answer[:3]}", for_good)
    assert MAIL.recipient not in "".join(traceback.format_exception(refusal.value))
    assert server.deliveries == []


@pytest.mark.parametrize(("answer", "for_good"), [("554 spam", True), ("451 later", False)])
def test_what_a_server_says_about_the_text_is_a_refusal(answer: str, *, for_good: bool) -> None:
    with (
        smtp_server(data_answers={MAIL.recipient: answer}) as server,
        pytest.raises(MailRefusedError, match=answer[:3]) as refusal,
    ):
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert refusal.value.for_good == for_good


def test_a_server_that_closes_takes_no_mail_from_anybody() -> None:
    with smtp_server(answers={MAIL.recipient: "421 closing"}) as server, pytest.raises(OSError, match="421"):
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)


def test_a_login_that_was_not_given_is_an_os_error() -> None:
    with smtp_server(login=("mailer", "right")) as server, pytest.raises(OSError, match="530"):
        SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert server.deliveries == []


def test_a_password_is_not_sent_in_clear() -> None:
    with smtp_server(login=("mailer", "right")) as server, pytest.raises(OSError, match="TLS"):
        SmtpMailer(f"smtp://mailer:right@127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert (server.deliveries, server.logins) == ([], [])


def test_a_server_that_is_not_there_is_an_os_error() -> None:
    with reserved_port() as port, pytest.raises(ConnectionRefusedError):
        SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER).send(MAIL)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), YESTERDAY, TOMORROW)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(loopback, critical=False).sign(key, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "mail.pem").write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return tmp_path / "mail.pem"


def speaking_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize(
    ("scheme", "mode"), [("smtps", "implicit"), ("smtp+starttls", "starttls"), ("smtp", "starttls")]
)
def test_a_mail_goes_through_tls_where_there_is_tls(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, mode: Literal["implicit", "starttls"]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with smtp_server(tls=(mode, speaking_tls(certificate)), login=("mailer", "right")) as server:
        SmtpMailer(f"{scheme}://mailer:right@127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert [(delivery.secure, delivery.recipients) for delivery in server.deliveries] == [(True, (MAIL.recipient,))]


@pytest.mark.parametrize(
    ("scheme", "mode"), [("smtps", "implicit"), ("smtp+starttls", "starttls"), ("smtp", "starttls")]
)
def test_a_server_that_nobody_vouches_for_gets_neither_mail_nor_password(
    certificate: Path, scheme: str, mode: Literal["implicit", "starttls"]
) -> None:
    tls = (mode, speaking_tls(certificate))

    with smtp_server(tls=tls, login=("mailer", "right")) as server, pytest.raises(OSError, match="CERTIFICATE"):
        SmtpMailer(f"{scheme}://mailer:right@127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert (server.deliveries, server.logins) == ([], [])


def test_where_starttls_is_demanded_nothing_goes_out_without_it() -> None:
    with smtp_server() as server, pytest.raises(OSError, match="STARTTLS"):
        SmtpMailer(f"smtp+starttls://127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert server.deliveries == []


def test_the_login_in_the_url_is_used_without_its_escapes(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    login = ("mailer@music.example", "p:a/ss word%")

    with smtp_server(tls=("implicit", speaking_tls(certificate)), login=login) as server:
        url = f"smtps://mailer%40music.example:p%3Aa%2Fss%20word%25@127.0.0.1:{server.port}"
        SmtpMailer(url, SENDER).send(MAIL)

    assert server.deliveries[0].login == login


def test_a_wrong_login_is_an_os_error(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = speaking_tls(certificate)

    with (
        smtp_server(tls=("starttls", tls), login=("mailer", "right")) as server,
        pytest.raises(OSError, match="535"),
    ):
        SmtpMailer(f"smtp://mailer:wrong@127.0.0.1:{server.port}", SENDER).send(MAIL)

    assert server.deliveries == []


@pytest.mark.parametrize(
    "url", ["http://mail.example", "smtp://", "mail.example:25", "smtp:mail.example", "smtps://:465"]
)
def test_a_url_that_names_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(SettingInvalidError, match=r"^REPRISE_MAIL_URL must look like"):
        SmtpMailer(url, SENDER)


@pytest.mark.parametrize("url", ["smtp://mail.example:mail", "smtp://mail.example:99999"])
def test_a_url_with_an_impossible_port_is_refused(url: str) -> None:
    with pytest.raises(SettingInvalidError):
        SmtpMailer(url, SENDER)


def test_a_refused_url_is_not_shown_because_it_may_hold_a_password() -> None:
    with pytest.raises(SettingInvalidError) as refusal:
        SmtpMailer("http://mailer:hunter2@mail.example", SENDER)

    assert "hunter2" not in str(refusal.value)


def test_without_a_mail_server_mails_go_to_the_outbox_at_home(home: Path) -> None:
    mailer: Mailer = mailer_for(settings_from({"REPRISE_HOME": str(home), "REPRISE_MAIL_SENDER": SENDER}))

    mailer.send(MAIL)

    assert written(home / "outbox" / FILE)["From"] == SENDER


def test_with_a_mail_server_mails_go_there(home: Path) -> None:
    with smtp_server() as server:
        url = f"smtp://127.0.0.1:{server.port}"
        settings = settings_from({"REPRISE_HOME": str(home), "REPRISE_MAIL_URL": url, "REPRISE_MAIL_SENDER": SENDER})
        mailer_for(settings).send(MAIL)

    assert [delivery.sender for delivery in server.deliveries] == [SENDER]
    assert not home.exists()
