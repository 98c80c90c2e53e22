"""Every kind of aggregate there is. The imports are the register: one line for each."""

from domain.access_records.access_record import AccessRecord
from domain.kernel import Aggregate
from domain.privacy.data_export import DataExport
from domain.users import User
from domain.users.email_claim import EmailClaim


def _is_kind(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Aggregate) and value is not Aggregate


AGGREGATES: tuple[type[Aggregate], ...] = tuple(value for value in list(globals().values()) if _is_kind(value))
