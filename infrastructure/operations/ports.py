"""What a process has for the ports of the service's own operation."""

from application.operations.queries import Mails, Projections
from application.ports import Ports
from infrastructure.operations.mails import MailQueries
from infrastructure.operations.projections import ProjectionQueries
from infrastructure.parts import Parts


def ports(parts: Parts) -> Ports:
    """By port."""
    return {Projections: ProjectionQueries(parts.pool), Mails: MailQueries(parts.pool)}
