"""`reprise projections letters`, `retry` and `resolve`: events that a read model could not fold."""

from uuid import UUID

from api.cli.database import open_database
from api.cli.failures import Failure, NotFound
from api.cli.terminal import Rows, answer, say
from application.operations.queries import LetterStatus
from application.read_models import READ_MODELS
from domain.values import parse_reason
from infrastructure.log.reader import PoisonEventError
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.postgres.connections import as_projector
from infrastructure.postgres.logins import Login
from infrastructure.projections.follow.dead_letters import Wish, model_of_letter
from infrastructure.projections.follow.held_streams import LetterNotOpenError, settle

SETTLED_BY = "system:cli"
COLUMNS = ("letter", "model", "position", "topic", "error", "state", "since", "by", "reason")


def letters(name: str | None = None, /, *, json: bool = False) -> None:
    """Show the events that a read model could not fold, and their state.

    While a letter is open, later events of its stream are held back to keep their order. All other streams continue.
    A blocking letter holds nothing back: its event was folded once, but no rebuild gets past it now.

    Parameters
    ----------
    name
        The read model (default: all of them).
    json
        Write JSON.

    """
    if name is not None:
        must_be_known(name)
    with open_database(Login.API) as database:
        found = database.with_pool(lambda pool: ProjectionQueries(pool).letters(name))
    told = Rows(COLUMNS, map(_row, found)) if found else "There are no letters. Every event was folded."
    answer({"items": found}, told, json=json)


def retry(letter: UUID, /) -> None:
    """Fold the stream of a letter again, once the cause is fixed. If that fails, the letter stays open.

    A resolved letter can be retried, too; its event is then no longer left out.

    Parameters
    ----------
    letter
        The letter's id, as `reprise projections letters` shows it.

    """
    _settle(letter, "retry", None)
    say("The stream is folded, up to the position of the model.")


def resolve(letter: UUID, /, *, reason: str) -> None:
    """Leave the event of a letter out of its read model for good, also when the model is rebuilt.

    Parameters
    ----------
    letter
        The letter's id, as `reprise projections letters` shows it.
    reason
        Why, for the record. Do not include personal data.

    """
    _settle(letter, "resolve", parse_reason(reason))
    say("The event is left out, and its stream goes on without it.")


def must_be_known(name: str) -> None:
    """Raise `NotFound` unless there is such a read model."""
    if name not in READ_MODELS:
        raise NotFound(f"There is no read model with this name. The read models are: {', '.join(READ_MODELS)}.")


def _settle(letter: UUID, wish: Wish, reason: str | None) -> None:
    with open_database(Login.WORKER) as database, database.connected(as_projector) as connection:
        name = model_of_letter(connection, letter)
        if name not in READ_MODELS:
            raise NotFound("There is no letter with this id.")
        try:
            settle(connection, READ_MODELS[name], letter, wish, SETTLED_BY, reason)
        except PoisonEventError as error:
            raise Failure(f"The stream still cannot be folded: {error}.", "letter_is_open") from None
        except LetterNotOpenError:
            raise Failure("The letter is already settled, or its rows no longer exist.", "letter_is_settled") from None


def _row(letter: LetterStatus) -> tuple[object, ...]:
    return (
        letter.id,
        letter.name,
        letter.position,
        letter.topic,
        letter.error,
        letter.state,
        letter.closed_at or letter.opened_at,
        letter.closed_by,
        letter.reason,
    )
