"""What a process has for the ports of exports and erasures."""

from application.ports import Ports
from application.privacy.data_exports import DataExports
from application.privacy.erasures import Erasures
from infrastructure.parts import Parts
from infrastructure.privacy.data_exports import DataExportQueries
from infrastructure.privacy.erasures import ErasureQueries


def ports(parts: Parts) -> Ports:
    """By port."""
    return {
        Erasures: ErasureQueries(parts.pool, parts.keys),
        DataExports: DataExportQueries(parts.pool, parts.keyring.derive("export links")),
    }
