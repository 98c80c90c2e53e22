"""What a process is told by its environment."""

from datetime import timedelta
from pathlib import Path

import pytest

from domain.limits import REMEMBERED, Limit
from infrastructure.settings import POLICY, SETTINGS, SettingInvalidError, Settings, settings_from
from infrastructure.variables import Number

DECLARED = (*SETTINGS.values(), *POLICY.values())
NUMBERS = [(variable.name, variable.read) for variable in DECLARED if isinstance(variable.read, Number)]


def test_everything_has_a_default_that_works() -> None:
    settings = settings_from({})

    assert settings == Settings(home=Path(".reprise").absolute(), jwks_path=Path(".reprise/keys/jwks.json").absolute())
    assert settings.keys == Path(".reprise/keys").absolute()
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert (settings.policy.confirm_within, settings.policy.erase_after) == (timedelta(days=3), timedelta(days=30))


def test_a_variable_that_is_empty_counts_as_not_set() -> None:
    assert settings_from({variable.name: "" for variable in DECLARED}) == settings_from({})


def test_variables_of_others_are_passed_over() -> None:
    assert settings_from({"PORT": "1", "HOME": "/root", "REPRISE_UNKNOWN": "x"}) == settings_from({})


def test_every_variable_counts() -> None:
    settings = settings_from(
        {
            "REPRISE_HOME": "/srv/reprise",
            "REPRISE_DATABASE_URL": "postgresql://db.example/reprise",
            "REPRISE_WORKER_DATABASE_URL": "postgresql://worker@db.example/reprise",
            "REPRISE_OWNER_DATABASE_URL": "postgresql://owner@db.example/reprise",
            "REPRISE_HOST": "0.0.0.0",  # noqa: S104 - not bound to, only read
            "REPRISE_PORT": "9000",
            "REPRISE_MAX_CONNECTIONS": "5000",
            "REPRISE_TOKEN_ISSUER": "https://login.example",
            "REPRISE_TOKEN_AUDIENCE": "users",
            "REPRISE_JWKS": "/etc/jwks.json",
            "REPRISE_MAIL_URL": "smtps://mail.example",
            "REPRISE_MAIL_SENDER": "hello@music.example",
            "REPRISE_PUBLIC_URL": "https://music.example/",
            "REPRISE_LOG_ORIGIN": "music.example/users",
            "REPRISE_WAIT_SECONDS": "0.5",
            "REPRISE_CONFIRM_WITHIN_HOURS": "1.5",
            "REPRISE_GRACE_DAYS": "14",
            "REPRISE_EMAIL_REQUESTS_PER_DAY": "2",
            "REPRISE_MAILS_PER_ADDRESS": "3",
        }
    )

    assert settings.home == Path("/srv/reprise")
    assert settings.keys == Path("/srv/reprise/keys")
    assert settings.database_url == "postgresql://db.example/reprise"
    assert settings.worker_database_url == "postgresql://worker@db.example/reprise"
    assert settings.owner_database_url == "postgresql://owner@db.example/reprise"
    assert (settings.host, settings.port) == ("0.0.0.0", 9000)  # noqa: S104 - not bound to, only read
    assert settings.max_connections == 5_000
    assert (settings.issuer, settings.audience) == ("https://login.example", "users")
    assert settings.jwks_path == Path("/etc/jwks.json")
    assert (settings.mail_url, settings.mail_sender) == ("smtps://mail.example", "hello@music.example")
    assert (settings.public_url, settings.log_origin) == ("https://music.example", "music.example/users")
    assert settings.wait_seconds == 0.5
    assert settings.policy.confirm_within == timedelta(minutes=90)
    assert settings.policy.erase_after == timedelta(days=14)
    assert (settings.policy.email_requests, settings.policy.mails_to_address) == (
        Limit(2, timedelta(hours=24)),
        Limit(3, timedelta(hours=24)),
    )


def test_keys_follow_the_home_and_links_follow_host_and_port() -> None:
    settings = settings_from({"REPRISE_HOME": "/srv/reprise", "REPRISE_HOST": "10.0.0.1", "REPRISE_PORT": "81"})

    assert settings.jwks_path == Path("/srv/reprise/keys/jwks.json")
    assert settings.public_url == "http://10.0.0.1:81"


def test_links_to_an_ipv6_address_have_it_in_brackets() -> None:
    settings = settings_from({"REPRISE_HOST": "::1", "REPRISE_PORT": "81"})

    assert settings.public_url == "http://[::1]:81"


def test_a_relative_home_does_not_move_with_the_working_directory() -> None:
    assert settings_from({"REPRISE_HOME": "here"}).home == Path.cwd() / "here"


@pytest.mark.parametrize(
    ("variable", "highest"),
    [
        ("REPRISE_PORT", "65535"),
        ("REPRISE_WAIT_SECONDS", "60"),
        ("REPRISE_CONFIRM_WITHIN_HOURS", "8760"),
        ("REPRISE_GRACE_DAYS", "365"),
    ],
)
def test_a_number_has_its_limits_and_the_refusal_says_which(variable: str, highest: str) -> None:
    settings_from({variable: highest})
    settings_from({variable: "0"})

    for text in (f"{highest}1", "-1", "-0.1", "nan", "inf", "-inf", "many", "0x10", "1,5", "1 000", "1e400"):
        with pytest.raises(SettingInvalidError, match=f"^{variable} must be a number from 0 to {highest}\\.$"):
            settings_from({variable: text})


@pytest.mark.parametrize(("variable", "number"), NUMBERS)
def test_every_number_is_accepted_up_to_its_limits(variable: str, number: Number) -> None:
    for accepted in (number.lowest, number.highest):
        settings_from({variable: f"{accepted:g}"})

    for refused in (number.lowest - 1, number.highest + 1):
        with pytest.raises(SettingInvalidError) as error:
            settings_from({variable: f"{refused:g}"})
        assert str(error.value) == f"{variable} must be a number from {number.lowest:g} to {number.highest:g}."


@pytest.mark.parametrize("variable", ["REPRISE_PORT", "REPRISE_MAX_CONNECTIONS"])
def test_what_is_counted_is_a_whole_number(variable: str) -> None:
    with pytest.raises(SettingInvalidError, match=f"^{variable} must be a whole number"):
        settings_from({variable: "80.5"})


@pytest.mark.parametrize("number", ["9", "100001", "many"])
def test_the_number_of_connections_has_its_limits(number: str) -> None:
    with pytest.raises(SettingInvalidError, match=r"^REPRISE_MAX_CONNECTIONS must be a number from 10 to 100000\.$"):
        settings_from({"REPRISE_MAX_CONNECTIONS": number})


@pytest.mark.parametrize("variable", ["REPRISE_EMAIL_REQUESTS_PER_DAY", "REPRISE_MAILS_PER_ADDRESS"])
def test_as_many_mails_can_be_allowed_as_are_remembered(variable: str) -> None:
    settings_from({variable: str(REMEMBERED)})

    for text in ("0", str(REMEMBERED + 1), "many"):
        with pytest.raises(SettingInvalidError, match=f"^{variable} must be a number from 1 to {REMEMBERED}\\.$"):
            settings_from({variable: text})
    with pytest.raises(SettingInvalidError, match=f"^{variable} must be a whole number"):
        settings_from({variable: "1.5"})
