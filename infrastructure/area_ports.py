"""What a process has for the ports of its areas. The imports are the register: one line for each area that has some."""

from types import ModuleType

from application.ports import Ports
from infrastructure.access_records import ports as access_records
from infrastructure.history import ports as history
from infrastructure.operations import ports as operations
from infrastructure.parts import Parts
from infrastructure.privacy import ports as privacy
from infrastructure.proof import ports as proof
from infrastructure.statistics import ports as statistics
from infrastructure.users import ports as users

_AREAS = [area for area in list(globals().values()) if isinstance(area, ModuleType)]


def area_ports(parts: Parts) -> Ports:
    """By port, what `UnitOfWork.using` and `Service.using` hand out."""
    return {port: found for area in _AREAS for port, found in area.ports(parts).items()}
