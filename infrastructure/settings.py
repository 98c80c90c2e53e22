"""What a process is told by its environment: variables named REPRISE_…, each with a default that works."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import msgspec

from application.policy import Policy
from domain.limits import REMEMBERED, Limit

DEFAULT_MAIL_SENDER = "no-reply@reprise.example"
OWN_JWKS_FILE = "jwks.json"


class SettingInvalidError(ValueError):
    """A variable holds something that cannot be used."""

    def __init__(self, variable: str, demand: str) -> None:
        super().__init__(f"{variable} {demand}.")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a process."""

    home: Path
    """REPRISE_HOME: where the embedded database, keys and mails live (default `.reprise` in the working directory)."""
    database_url: str | None = None
    """REPRISE_DATABASE_URL: any PostgreSQL from version 15 on, instead of the embedded one, with the API's login."""
    worker_database_url: str | None = None
    """REPRISE_WORKER_DATABASE_URL: the same with that of workers (default: the API's)."""
    owner_database_url: str | None = None
    """REPRISE_OWNER_DATABASE_URL: the same with that of the schema's owner (default: the API's)."""
    host: str = "127.0.0.1"
    """REPRISE_HOST"""
    port: int = 8000
    """REPRISE_PORT"""
    max_connections: int = 1_000
    """REPRISE_MAX_CONNECTIONS: how many connections a process of the API has open at a time."""
    issuer: str = "reprise"
    """REPRISE_TOKEN_ISSUER: the `iss` that access tokens must have."""
    audience: str = "reprise"
    """REPRISE_TOKEN_AUDIENCE: the `aud` that access tokens must have."""
    jwks_path: Path
    """REPRISE_JWKS: the file with the public keys of the issuer (default `keys/jwks.json` under home, where the keys of
    tokens are that were issued here)."""
    mail_url: str | None = None
    """REPRISE_MAIL_URL: `smtps://user:password@host:port`, `smtp+starttls://…`, `smtp://…` (STARTTLS where offered), or
    `outbox:`, for files in `home/outbox/`, which is the default."""
    mail_sender: str = DEFAULT_MAIL_SENDER
    """REPRISE_MAIL_SENDER"""
    public_url: str = "http://127.0.0.1:8000"
    """REPRISE_PUBLIC_URL: how people's browsers reach the product; links in mails begin with it."""
    log_origin: str | None = None
    """REPRISE_LOG_ORIGIN: the name of this log in its checkpoints, for ever (default: made up at the first start)."""
    wait_seconds: float = 5.0
    """REPRISE_WAIT_SECONDS: how long a query waits for a read model to reach Min-Log-Position, or what its sender has
    written."""
    production: bool = False
    """REPRISE_PRODUCTION: `yes` refuses what is fit for trying out only: nothing is made up, issued or trusted that was
    not configured."""
    key_encryption_key_file: Path | None = None
    """REPRISE_KEY_ENCRYPTION_KEY_FILE: where the key that wraps all others is (default `keys/key-encryption.key` under
    home); REPRISE_KEY_ENCRYPTION_KEY is the key itself, 32 octets in base64."""
    kms_key: str | None = None
    """REPRISE_KMS_KEY: the ARN, id or alias of an AWS KMS key to be used instead."""
    next_key_encryption_key_file: Path | None = None
    """REPRISE_NEXT_KEY_ENCRYPTION_KEY_FILE, or REPRISE_NEXT_KEY_ENCRYPTION_KEY: what the next master key is to be
    wrapped with."""
    next_kms_key: str | None = None
    """REPRISE_NEXT_KMS_KEY: the same in AWS KMS."""
    idempotency_retention: timedelta = timedelta(hours=72)
    """REPRISE_IDEMPOTENCY_HOURS: how long idempotency keys are kept, at least a day."""
    policy: Policy = Policy()

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the one that comes along."""
        return not (self.database_url or self.worker_database_url or self.owner_database_url)

    @property
    def key_encryption_key_path(self) -> Path:
        """The file with the local key-encryption key."""
        return self.key_encryption_key_file or self.keys / "key-encryption.key"

    @property
    def own_jwks_path(self) -> Path:
        """The public keys of the tokens that this home issues itself; in production they do not count."""
        return self.keys / OWN_JWKS_FILE

    @property
    def keys(self) -> Path:
        """The folder of secrets and keys."""
        return self.home / "keys"


def settings_from(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in an environment. Raises `SettingInvalidError`."""
    home = Path(environment.get("REPRISE_HOME") or ".reprise").absolute()
    port = _whole_number(environment, "REPRISE_PORT", 8000, highest=65535)
    host = environment.get("REPRISE_HOST") or "127.0.0.1"
    return Settings(
        home=home,
        database_url=environment.get("REPRISE_DATABASE_URL") or None,
        worker_database_url=environment.get("REPRISE_WORKER_DATABASE_URL") or None,
        owner_database_url=environment.get("REPRISE_OWNER_DATABASE_URL") or None,
        host=host,
        port=port,
        max_connections=_whole_number(environment, "REPRISE_MAX_CONNECTIONS", 1_000, lowest=10, highest=100_000),
        issuer=environment.get("REPRISE_TOKEN_ISSUER") or "reprise",
        audience=environment.get("REPRISE_TOKEN_AUDIENCE") or "reprise",
        jwks_path=Path(environment.get("REPRISE_JWKS") or home / "keys" / OWN_JWKS_FILE),
        mail_url=environment.get("REPRISE_MAIL_URL") or None,
        mail_sender=environment.get("REPRISE_MAIL_SENDER") or DEFAULT_MAIL_SENDER,
        public_url=(environment.get("REPRISE_PUBLIC_URL") or http_url(host, port)).rstrip("/"),
        log_origin=environment.get("REPRISE_LOG_ORIGIN") or None,
        wait_seconds=_number(environment, "REPRISE_WAIT_SECONDS", 5.0, highest=60),
        production=_flag(environment, "REPRISE_PRODUCTION"),
        key_encryption_key_file=_path(environment, "REPRISE_KEY_ENCRYPTION_KEY_FILE"),
        kms_key=environment.get("REPRISE_KMS_KEY") or None,
        next_key_encryption_key_file=_path(environment, "REPRISE_NEXT_KEY_ENCRYPTION_KEY_FILE"),
        next_kms_key=environment.get("REPRISE_NEXT_KMS_KEY") or None,
        idempotency_retention=timedelta(
            hours=_number(environment, "REPRISE_IDEMPOTENCY_HOURS", 72, lowest=24, highest=87_600)
        ),
        policy=Policy(
            confirm_within=timedelta(hours=_number(environment, "REPRISE_CONFIRM_WITHIN_HOURS", 72, highest=8760)),
            export_good_for=timedelta(hours=_number(environment, "REPRISE_EXPORT_HOURS", 24, highest=168)),
            erase_after=timedelta(days=_number(environment, "REPRISE_GRACE_DAYS", 30, highest=365)),
            email_requests=_daily(environment, "REPRISE_EMAIL_REQUESTS_PER_DAY", Policy().email_requests),
            mails_to_address=_daily(environment, "REPRISE_MAILS_PER_ADDRESS", Policy().mails_to_address),
        ),
    )


def _daily(environment: Mapping[str, str], variable: str, default: Limit) -> Limit:
    times = _number(environment, variable, default.times, lowest=1, highest=REMEMBERED)
    if times != int(times):
        raise SettingInvalidError(variable, "must be a whole number")
    return Limit(int(times), default.within)


def _flag(environment: Mapping[str, str], variable: str) -> bool:
    text = environment.get(variable) or "no"
    if text not in {"yes", "no"}:
        raise SettingInvalidError(variable, "must be yes or no")
    return text == "yes"


def _path(environment: Mapping[str, str], variable: str) -> Path | None:
    text = environment.get(variable)
    return Path(text).absolute() if text else None


def http_url(host: str, port: int) -> str:
    """The URL of a host, which may be an IPv6 address, at a port."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _whole_number(environment: Mapping[str, str], variable: str, default: int, highest: int, lowest: int = 0) -> int:
    number = _number(environment, variable, default, highest, lowest)
    if number != int(number):
        raise SettingInvalidError(variable, "must be a whole number")
    return int(number)


def _number(environment: Mapping[str, str], variable: str, default: float, highest: float, lowest: float = 0) -> float:
    text = environment.get(variable) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not lowest <= number <= highest:
        raise SettingInvalidError(variable, f"must be a number from {lowest:g} to {highest:g}")
    return number
