"""What a process has for the ports of access records."""

from application.access_records.recording import AccessLog
from application.ports import Ports
from infrastructure.access_records.queries import AccessLogQueries
from infrastructure.parts import Parts


def ports(parts: Parts) -> Ports:
    """By port; what records readings is opened and closed with the process (`infrastructure/composition.py`)."""
    return {AccessLog: AccessLogQueries(parts.lists, parts.cursors)}
