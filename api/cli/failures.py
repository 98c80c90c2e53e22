"""How commands fail: with a sentence for people, a code for programs, and an exit code."""

import errno
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of a command."""

    DONE = 0
    FAILED = 1
    """Refused, not found, or impossible at the moment."""
    USAGE = 2
    """Called with wrong arguments."""
    INTERRUPTED = 130


class Failure(Exception):
    """A command cannot do what it was asked to; the message is for the caller."""

    def __init__(self, message: str, code: str = "failed", exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code
        self.exit_code = exit_code


class NotFound(Failure):
    """What was asked for does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "not_found")


def explained(error: Exception) -> Failure | None:
    """The failure that an error means for the caller of a command; None if it is a bug."""
    if isinstance(error, Failure):
        return error
    kinds = (_of_system, _of_others, _of_proof, _of_projections, _of_login, _of_settings, _of_reprise)
    return next((failure for kind in kinds if (failure := kind(error))), None)


def _of_system(error: Exception) -> Failure | None:
    if not isinstance(error, OSError) or error.errno is None:
        return None
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return Failure(what, errno.errorcode.get(error.errno, "os_error").lower())


def _of_others(error: Exception) -> Failure | None:
    from application.commands import WriteConflictError
    from application.queries import PositionNotReachedError
    from application.unreadable import HistoryUnreadableError
    from infrastructure.imports.people_file import NotJsonLinesError

    match error:
        case NotJsonLinesError():
            return Failure(str(error), "not_json_lines")
        case WriteConflictError():
            return Failure(
                "Other commands keep changing the same account. Nothing was recorded; try again.", "write_conflict"
            )
        case HistoryUnreadableError():
            return Failure(f"{error}. `reprise audit history` shows what can be read.", "history_unreadable")
        case PositionNotReachedError():
            return Failure("A read model is too far behind the log.", "position_not_reached")
        case _:
            return None


def _of_proof(error: Exception) -> Failure | None:
    from application.proof.queries import NotSealedError
    from infrastructure.proof.checkpointing import TreeUnsoundError
    from infrastructure.proof.edge_repair import EdgeNotRepairableError
    from infrastructure.proof.signing_keys import SigningKeyUnusableError

    match error:
        case NotSealedError():
            return Failure(f"There is no proof yet: {error}.", "not_sealed")
        case TreeUnsoundError():
            return Failure(
                f"The log cannot be sealed: {error}. `reprise audit verify` shows the details.", "tree_unsound"
            )
        case EdgeNotRepairableError():
            return Failure(f"Nothing was repaired: {error}.", "not_repairable")
        case SigningKeyUnusableError():
            return Failure(str(error), "setting_invalid")
        case _:
            return None


def _of_projections(error: Exception) -> Failure | None:
    from infrastructure.log.reader import PoisonEventError
    from infrastructure.projections.follow.following import OtherVersionError
    from infrastructure.projections.generations import DefinitionChangedError

    match error:
        case PoisonEventError():
            return Failure(f"A read model has stopped: {error}.", "projection_failed")
        case OtherVersionError():
            return Failure(f"{error}. `reprise projections rebuild` builds that version.", "other_version")
        case DefinitionChangedError():
            return Failure(str(error), "definition_changed")
        case _:
            return None


def _of_login(error: Exception) -> Failure | None:
    from infrastructure.postgres.logins import LoginMayTooLittleError, LoginMayTooMuchError

    match error:
        case LoginMayTooMuchError() | LoginMayTooLittleError():
            return Failure(str(error), "login_unsuitable")
        case _:
            return None


def _of_settings(error: Exception) -> Failure | None:
    from infrastructure.encryption.key_encryption import KeyUnusableError
    from infrastructure.secrets.keyring import SecretMissingError
    from infrastructure.settings import SettingInvalidError
    from infrastructure.tokens.issuer import RoleNotIssuableError, TokensIssuedElsewhereError

    match error:
        case SettingInvalidError() | SecretMissingError():
            return Failure(str(error), "setting_invalid")
        case KeyUnusableError():
            return Failure(str(error), "key_unusable")
        case RoleNotIssuableError():
            return Failure(str(error), "role_not_issuable", ExitCode.USAGE)
        case TokensIssuedElsewhereError():
            return Failure(str(error), "tokens_issued_elsewhere")
        case _:
            return None


def _of_reprise(error: Exception) -> Failure | None:
    import psycopg
    from psycopg_pool import PoolTimeout

    from application.commands import LogUnavailableError
    from domain.errors import DomainError
    from infrastructure.embedded_postgres import EmbeddedPostgresError
    from infrastructure.postgres.database import DatabaseUnavailableError
    from infrastructure.postgres.schema import EncodingUnusableError, MigrationEditedError, SchemaIsOutOfDateError
    from infrastructure.privacy.scrubbing import StillSeenError

    match error:
        case DomainError():
            return Failure(str(error), error.code)
        case DatabaseUnavailableError() | EmbeddedPostgresError() | EncodingUnusableError() | StillSeenError():
            return Failure(str(error), "database_unavailable")
        case SchemaIsOutOfDateError() | MigrationEditedError():
            return Failure(str(error), "schema_out_of_date")
        case LogUnavailableError() | PoolTimeout() | psycopg.OperationalError():
            return Failure(f"The database does not answer. {error}", "database_unavailable")
        case psycopg.Error():
            return Failure(f"The database refused the command: {error}", "database_refused")
        case _:
            return None
