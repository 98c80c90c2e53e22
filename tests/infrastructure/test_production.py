"""Production demands what must not be made up, and that nothing leaves the machine in the clear."""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest

from infrastructure.mail import OutboxMailer, SmtpMailer, mailer_for
from infrastructure.postgres.database import reached_as
from infrastructure.postgres.database_security import check_database_urls
from infrastructure.postgres.logins import Login
from infrastructure.production import check_production
from infrastructure.proof.signing_keys import SigningKeyUnusableError, checkpoint_key_file
from infrastructure.secrets.keyring import SecretMissingError, load_keyring
from infrastructure.settings import SettingInvalidError, Settings, settings_from
from tests.support.running import settings_in

SECRET = b64encode(bytes(32)).decode()
SECRETS = ("REPRISE_CLAIMS_KEY", "REPRISE_SERVICE_KEY", "REPRISE_KEY_ENCRYPTION_KEY")
COMPLETE = {
    "REPRISE_PRODUCTION": "yes",
    "REPRISE_JWKS": "/etc/reprise/jwks.json",
    "REPRISE_LOG_ORIGIN": "log.example/people",
    "REPRISE_MAIL_URL": "smtps://mail.example",
    "REPRISE_MAIL_SENDER": "hello@music.example",
    "REPRISE_PUBLIC_URL": "https://music.example",
    "REPRISE_DATABASE_URL": "postgresql://db.example/reprise?sslmode=verify-full",
}
MAILING = {name: COMPLETE[name] for name in COMPLETE if name not in {"REPRISE_JWKS", "REPRISE_LOG_ORIGIN"}}


def given(home: Path, variables: Mapping[str, str]) -> Settings:
    return settings_from({"REPRISE_HOME": str(home), **variables})


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The secrets of a service in its environment."""
    for name in SECRETS:
        monkeypatch.setenv(name, SECRET)
    return monkeypatch


@pytest.mark.usefixtures("secrets")
def test_with_everything_given_production_is_content(home: Path) -> None:
    check_production(given(home, COMPLETE))


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize(
    "variable",
    ["REPRISE_JWKS", "REPRISE_LOG_ORIGIN", "REPRISE_MAIL_URL", "REPRISE_MAIL_SENDER", "REPRISE_PUBLIC_URL"],
)
def test_what_must_not_be_made_up_is_demanded_by_name(home: Path, variable: str) -> None:
    lacking = {name: value for name, value in COMPLETE.items() if name != variable}

    with pytest.raises((SettingInvalidError, SigningKeyUnusableError), match=f"^{variable} must"):
        check_production(given(home, lacking))


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_is_demanded_by_name_and_none_is_made(home: Path, secrets: pytest.MonkeyPatch, variable: str) -> None:
    secrets.delenv(variable)

    with pytest.raises((SettingInvalidError, SecretMissingError), match=f"^{variable}"):
        check_production(given(home, COMPLETE))

    assert not [path for path in home.rglob("*.key") if path.is_file()]


def test_secrets_that_an_installation_has_already_go_on_to_count(home: Path) -> None:
    before = load_keyring(home / "keys")

    assert load_keyring(home / "keys", production=True) == before


def test_no_secret_is_made_up_for_a_home_that_was_lost(home: Path) -> None:
    with pytest.raises(SecretMissingError, match=r"REPRISE_CLAIMS_KEY must be set, or be in .*claims\.key"):
        load_keyring(home / "keys", production=True)

    assert not home.exists()


def test_a_log_that_has_a_name_already_keeps_it(home: Path) -> None:
    keys = checkpoint_key_file(given(home, {})).keys()

    assert checkpoint_key_file(given(home, {"REPRISE_PRODUCTION": "yes"})).keys() == keys


def test_where_things_are_tried_out_nothing_is_demanded(home: Path) -> None:
    check_production(given(home, {"REPRISE_DATABASE_URL": "postgresql://db.example/reprise"}))
    assert isinstance(mailer_for(given(home, {})), OutboxMailer)


TRUSTED_DATABASES = [
    "postgresql://db.example/reprise?sslmode=verify-full",
    "postgresql://user:secret@db.example:5433/reprise?sslmode=verify-ca&sslrootcert=/etc/ca.pem",
    "host=a.example,b.example sslmode=verify-full",
    "service=reprise sslmode=verify-full",
    "postgresql:///reprise?host=/run/postgresql",
    "host=@abstract dbname=reprise",
    "dbname=reprise",
    "postgresql://localhost/reprise",
    "postgresql://127.0.0.1:6432/reprise?sslmode=disable",
    "postgresql://[::1]/reprise",
    "host=db.example hostaddr=127.0.0.1",
]
REFUSED_DATABASES = [
    "postgresql://db.example/reprise",
    *(f"postgresql://db.example/reprise?sslmode={mode}" for mode in ("disable", "allow", "prefer", "require")),
    "host=/run/postgresql,db.example",
    "host=localhost,10.0.0.5",
    "host=localhost hostaddr=10.0.0.5",
    "host=localhost,db.example hostaddr=127.0.0.1,",
    "hostaddr=10.0.0.5",
    "host=localhost.evil.example",
    "host=127.0.0.1.evil.example",
    "service=reprise",
]


@pytest.mark.parametrize("url", TRUSTED_DATABASES)
def test_a_database_that_proves_itself_or_is_this_machine_is_connected_to(home: Path, url: str) -> None:
    check_database_urls(settings_in(home, REPRISE_PRODUCTION="yes", REPRISE_DATABASE_URL=url))


@pytest.mark.parametrize("login", Login)
@pytest.mark.parametrize("url", REFUSED_DATABASES)
def test_a_database_that_might_be_anybody_is_not_even_connected_to(home: Path, url: str, login: Login) -> None:
    variable = {
        Login.API: "REPRISE_DATABASE_URL",
        Login.WORKER: "REPRISE_WORKER_DATABASE_URL",
        Login.OWNER: "REPRISE_OWNER_DATABASE_URL",
    }[login]
    settings = settings_in(home, **{"REPRISE_PRODUCTION": "yes", "REPRISE_DATABASE_URL": "host=/tmp", variable: url})

    with pytest.raises(SettingInvalidError, match=rf"^{variable} must have sslmode=verify-full"):
        reached_as(login, settings)


@pytest.mark.parametrize(
    ("variables", "url", "trusted"),
    [
        ({"PGSSLMODE": "verify-full"}, "host=db.example", True),
        ({"PGSSLMODE": "verify-full"}, "host=db.example sslmode=prefer", False),
        ({"PGSSLMODE": "verify-full"}, "service=reprise", False),
        ({"PGHOST": "db.example"}, "dbname=reprise", False),
        ({"PGHOSTADDR": "10.0.0.5"}, "host=localhost", False),
        ({"PGHOST": "db.example"}, "host=localhost", True),
    ],
)
def test_what_libpq_takes_from_its_own_environment_counts(
    home: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, *, trusted: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = settings_in(home, REPRISE_PRODUCTION="yes", REPRISE_DATABASE_URL=url)

    if trusted:
        check_database_urls(settings)
    else:
        with pytest.raises(SettingInvalidError):
            check_database_urls(settings)


def test_a_url_that_is_none_is_refused_without_repeating_it(home: Path) -> None:
    settings = settings_in(home, REPRISE_PRODUCTION="yes", REPRISE_DATABASE_URL="postgresql://u:secret@[")

    with pytest.raises(SettingInvalidError) as refused:
        check_database_urls(settings)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "smtps://mail.example",
        "smtp+starttls://user:secret@mail.example:587",
        "smtp://127.0.0.1:25",
        "smtp://localhost",
        "smtp://[::1]:25",
    ],
)
def test_mails_go_through_tls_or_stay_on_this_machine(home: Path, url: str) -> None:
    assert isinstance(mailer_for(given(home, {**MAILING, "REPRISE_MAIL_URL": url})), SmtpMailer)


@pytest.mark.parametrize("url", ["smtp://mail.example", "smtp://mail.example:465", "smtp://10.0.0.5:25"])
def test_mails_do_not_leave_where_tls_may_be_taken_away(home: Path, url: str) -> None:
    with pytest.raises(SettingInvalidError, match=r"^REPRISE_MAIL_URL must begin with smtps://"):
        mailer_for(given(home, {**MAILING, "REPRISE_MAIL_URL": url}))
    assert isinstance(mailer_for(given(home, {"REPRISE_MAIL_URL": url})), SmtpMailer)


def test_that_mails_are_to_be_files_can_be_said(home: Path) -> None:
    assert isinstance(mailer_for(given(home, {**MAILING, "REPRISE_MAIL_URL": "outbox:"})), OutboxMailer)


@pytest.mark.parametrize("url", ["http://music.example", "http://127.0.0.1:8000", "music.example"])
def test_links_with_secrets_in_them_lead_through_tls(home: Path, url: str) -> None:
    with pytest.raises(SettingInvalidError, match=r"^REPRISE_PUBLIC_URL must begin with https://"):
        mailer_for(given(home, {**MAILING, "REPRISE_PUBLIC_URL": url}))
