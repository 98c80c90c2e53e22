"""What production requires of settings: nothing is generated, issued or trusted that was not configured.

Nor does anything leave the machine unencrypted (docs/decisions/0030-nothing-made-up-in-production.md). Each process
checks its own needs when it begins; `check_production` checks everything before all of them are started.
"""

from infrastructure.encryption.keychain import key_encryption_key
from infrastructure.mail import mailer_for
from infrastructure.postgres.database_security import check_database_urls
from infrastructure.proof.signing_keys import checkpoint_key_file
from infrastructure.secrets.keyring import load_keyring
from infrastructure.settings import Settings
from infrastructure.tokens.keys import check_issuer


def check_production(settings: Settings) -> None:
    """Make sure that everything that production needs is there; does nothing elsewhere.

    Raises `SettingInvalidError`, `SecretMissingError` and `SigningKeyUnusableError`.
    """
    if not settings.production:
        return
    check_issuer(settings)
    check_database_urls(settings)
    mailer_for(settings)
    load_keyring(settings.keys, production=True)
    key_encryption_key(settings)
    checkpoint_key_file(settings).keys()
