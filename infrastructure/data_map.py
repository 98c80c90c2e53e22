"""The files that hold something about people, and the whole data map."""

from application.data_map import Holding, Kind, event_holdings, read_model_holdings
from application.read_models import READ_MODELS
from domain.aggregates import AGGREGATES
from infrastructure.postgres.tables import TABLES

FILES = (
    Holding(
        place="files `outbox/*.eml`",
        fields=("recipient", "token"),
        purpose="mails, if no mail server is configured (`REPRISE_MAIL_URL`)",
        kind=Kind.READABLE,
        kept="until they are deleted or the person is erased",
    ),
    Holding(
        place="files written on request: audit exports and bundles, read models as of a moment",
        fields=("what was asked for",),
        purpose="the purpose for which staff wrote them",
        kind=Kind.READABLE,
        kept="until they are deleted; erasures do not reach them",
    ),
    Holding(
        place="logs of the processes and of the database, metrics, traces",
        fields=("routes", "status", "positions", "kinds of errors", "trace ids"),
        purpose="running the service",
        kind=Kind.NONE,
        kept="as the operator decides",
    ),
)


def data_map() -> list[Holding]:
    """Everything that is held."""
    tables = [holding for table in TABLES for holding in table.holdings()]
    return [*event_holdings(AGGREGATES), *read_model_holdings(READ_MODELS.values()), *tables, *FILES]
