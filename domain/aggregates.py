"""Every kind of aggregate there is."""

from domain.access_records.access_record import AccessRecord
from domain.data_exports import DataExport
from domain.email_claims import EmailClaim
from domain.kernel import Aggregate
from domain.users import User

AGGREGATES: tuple[type[Aggregate], ...] = (User, EmailClaim, AccessRecord, DataExport)
