"""What a process is told by its environment: variables named REPRISE_…, each with a default that works.

Each is declared once, with the field that it sets or, where only its reader may have the value, in `ELSEWHERE`. The
parser and the table in docs/operations.md follow from that (docs/decisions/0045-settings.md).
"""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from application.policy import DAY, Policy
from infrastructure.variables import (
    DailyLimit,
    Number,
    UnreadableTextError,
    Variable,
    WholeNumber,
    absolute_path,
    url_base,
    yes_or_no,
)

DEFAULT_MAIL_SENDER = "no-reply@reprise.example"
OWN_JWKS_FILE = "jwks.json"
_HOUR = timedelta(hours=1)


class SettingInvalidError(ValueError):
    """A variable holds something that cannot be used."""

    def __init__(self, variable: str, demand: str) -> None:
        super().__init__(f"{variable} {demand}.")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a process."""

    home: Annotated[
        Path,
        Variable(
            "REPRISE_HOME",
            "directory for the embedded database, keys, outgoing mail, and the logs of processes that `reprise run` "
            "starts",
            absolute_path,
            default="`.reprise`",
        ),
    ]
    database_url: Annotated[
        str | None,
        Variable(
            "REPRISE_DATABASE_URL",
            "any [PostgreSQL ≥ 15](#a-database-of-your-own), with the login of the API: see [Logins](#logins)",
            default="embedded PostgreSQL 18",
        ),
    ] = None
    worker_database_url: Annotated[
        str | None,
        Variable(
            "REPRISE_WORKER_DATABASE_URL",
            "the same database with the login of workers",
            default="`REPRISE_DATABASE_URL`",
        ),
    ] = None
    owner_database_url: Annotated[
        str | None,
        Variable(
            "REPRISE_OWNER_DATABASE_URL",
            "the same database with the login of the schema's owner",
            default="`REPRISE_DATABASE_URL`",
        ),
    ] = None
    host: Annotated[str, Variable("REPRISE_HOST", "address at which the API listens")] = "127.0.0.1"
    port: Annotated[
        int,
        Variable("REPRISE_PORT", "port at which it listens", WholeNumber(highest=65_535), default="8000"),
    ] = 8000
    max_connections: Annotated[
        int,
        Variable(
            "REPRISE_MAX_CONNECTIONS",
            "open connections of each API process, see [Connections](#connections)",
            WholeNumber(lowest=10, highest=100_000),
        ),
    ] = 1_000
    public_url: Annotated[
        str,
        Variable(
            "REPRISE_PUBLIC_URL",
            "base of the links in mails: where the API's page `/confirm-email` can be reached, or "
            "[a front end of your own](api.md#the-link-in-the-mail)",
            url_base,
            default="`http://HOST:PORT`",
        ),
    ] = "http://127.0.0.1:8000"
    issuer: Annotated[str, Variable("REPRISE_TOKEN_ISSUER", "required `iss` of access tokens")] = "reprise"
    audience: Annotated[str, Variable("REPRISE_TOKEN_AUDIENCE", "required `aud` of access tokens")] = "reprise"
    jwks_path: Annotated[
        Path,
        Variable(
            "REPRISE_JWKS",
            "public keys of the token issuer; read again when the file changes, never written",
            Path,
            default=f"`$REPRISE_HOME/keys/{OWN_JWKS_FILE}`",
        ),
    ]
    key_encryption_key_file: Annotated[
        Path | None,
        Variable(
            "REPRISE_KEY_ENCRYPTION_KEY_FILE",
            "file with the key that wraps the keys of all personal data, 32 octets, generated at the first start. "
            "**If you lose it, all personal data is lost**",
            absolute_path,
            default="`$REPRISE_HOME/keys/key-encryption.key`",
        ),
    ] = None
    kms_key: Annotated[
        str | None,
        Variable(
            "REPRISE_KMS_KEY",
            "id, ARN or alias of a symmetric AWS KMS key to use instead (`pip install reprise[aws]`)",
        ),
    ] = None
    next_key_encryption_key_file: Annotated[
        Path | None,
        Variable(
            "REPRISE_NEXT_KEY_ENCRYPTION_KEY_FILE",
            "file with the key that wraps the next master key, see [below](#keys-for-personal-data); never generated",
            absolute_path,
        ),
    ] = None
    next_kms_key: Annotated[
        str | None, Variable("REPRISE_NEXT_KMS_KEY", "id, ARN or alias of an AWS KMS key to use instead of that file")
    ] = None
    production: Annotated[
        bool,
        Variable(
            "REPRISE_PRODUCTION",
            "`yes`: nothing is generated, issued or trusted that was not configured, see [Production](#production)",
            yes_or_no,
        ),
    ] = False
    mail_url: Annotated[
        str | None,
        Variable(
            "REPRISE_MAIL_URL",
            "`smtps://user:password@host:port`, `smtp+starttls://…` (STARTTLS required) or `smtp://…` (STARTTLS if "
            "offered, which an attacker on the path can prevent); certificates are verified, and a password is sent "
            "over TLS only",
            default="`outbox:`, files in `$REPRISE_HOME/outbox/`",
        ),
    ] = None
    mail_sender: Annotated[str, Variable("REPRISE_MAIL_SENDER", "sender of mails")] = DEFAULT_MAIL_SENDER
    log_origin: Annotated[
        str | None,
        Variable(
            "REPRISE_LOG_ORIGIN",
            "name of the log in its checkpoints (such as `log.example.com/people`): must be unique, and can never be "
            "changed",
            default="generated at the first start",
        ),
    ] = None
    wait_seconds: Annotated[
        float,
        Variable(
            "REPRISE_WAIT_SECONDS",
            "how long a query waits for `Min-Log-Position`, or for what its sender has written",
            Number(highest=60),
        ),
    ] = 5.0
    idempotency_retention: Annotated[
        timedelta,
        Variable(
            "REPRISE_IDEMPOTENCY_HOURS",
            "how long idempotency keys are kept",
            Number(lowest=24, highest=87_600, unit=_HOUR),
        ),
    ] = timedelta(hours=72)
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


POLICY: Mapping[str, Variable] = {
    "confirm_within": Variable(
        "REPRISE_CONFIRM_WITHIN_HOURS",
        "how long a mailed token is valid and a new address stays reserved",
        Number(highest=8_760, unit=_HOUR),
    ),
    "export_good_for": Variable(
        "REPRISE_EXPORT_HOURS", "how long the link to a person's data is valid", Number(highest=168, unit=_HOUR)
    ),
    "erase_after": Variable(
        "REPRISE_GRACE_DAYS", "days between a deletion request and the erasure", Number(highest=365, unit=DAY)
    ),
    "email_requests": Variable(
        "REPRISE_EMAIL_REQUESTS_PER_DAY",
        "mails that one account may request for its own or a new address within 24 hours; further requests get 429",
        DailyLimit(),
    ),
    "mails_to_address": Variable(
        "REPRISE_MAILS_PER_ADDRESS",
        "mails to one address within 24 hours, whoever requests them; keep it above the number above, see "
        "[decision 28](decisions/0028-mails-to-strangers.md)",
        DailyLimit(),
    ),
}
"""The variables that set the fields of `Policy`, which knows nothing of variables."""
ELSEWHERE = (
    Variable(
        "REPRISE_CLAIMS_KEY",
        "base64, ≥ 32 octets: derives the ids of email claims. **If you lose it, all claims are lost**",
        default="`$REPRISE_HOME/keys/claims.key`",
    ),
    Variable(
        "REPRISE_NEXT_CLAIMS_KEY",
        "base64, ≥ 32 octets: the key that will replace it, see [below](#replacing-the-claims-key); never generated",
        default="`$REPRISE_HOME/keys/next-claims.key`, if it exists",
    ),
    Variable(
        "REPRISE_SERVICE_KEY",
        "base64, ≥ 32 octets: signs cursors and mailed tokens, hashes idempotency keys",
        default="`$REPRISE_HOME/keys/service.key`",
    ),
    Variable(
        "REPRISE_KEY_ENCRYPTION_KEY",
        "base64, 32 octets: the key itself, instead of the file that `REPRISE_KEY_ENCRYPTION_KEY_FILE` names",
    ),
    Variable(
        "REPRISE_NEXT_KEY_ENCRYPTION_KEY",
        "base64, 32 octets: the same for the file that `REPRISE_NEXT_KEY_ENCRYPTION_KEY_FILE` names",
    ),
    Variable(
        "REPRISE_BUILD",
        "the build that `reprise --version` and `/healthz` show, such as the commit; set it in a container image "
        "(`ENV REPRISE_BUILD=$COMMIT`)",
        default="from git, a wheel of `make wheel`, or pip's record of a git URL",
    ),
)
"""Variables that their readers alone look at. Secrets are no settings: those are handed around and may be shown."""


def _declared() -> Iterator[tuple[str, Variable]]:
    for field, hint in get_type_hints(Settings, include_extras=True).items():
        for variable in getattr(hint, "__metadata__", ()):
            yield field, variable


SETTINGS: Mapping[str, Variable] = dict(_declared())
"""The variables that set the fields of `Settings`."""


def settings_from(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in an environment. Raises `SettingInvalidError`."""
    given = _given(SETTINGS, environment)
    home = given.setdefault("home", Path(".reprise").absolute())
    given.setdefault("jwks_path", home / "keys" / OWN_JWKS_FILE)
    settings = Settings(**given, policy=Policy(**_given(POLICY, environment)))
    if "public_url" in given:
        return settings
    return msgspec.structs.replace(settings, public_url=http_url(settings.host, settings.port))


def _given(variables: Mapping[str, Variable], environment: Mapping[str, str]) -> dict[str, Any]:
    """The values of variables that are set, by field. One that is empty counts as not set."""
    texts = ((field, variable, environment.get(variable.name)) for field, variable in variables.items())
    return {field: _value(variable, text) for field, variable, text in texts if text}


def _value(variable: Variable, text: str) -> Any:
    try:
        return variable.read(text)
    except UnreadableTextError as error:
        raise SettingInvalidError(variable.name, str(error)) from None


def http_url(host: str, port: int) -> str:
    """The URL of a host, which may be an IPv6 address, at a port."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
