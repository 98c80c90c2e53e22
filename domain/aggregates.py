"""Every kind of aggregate there is."""

from domain.access_records.access_record import AccessRecord
from domain.kernel import Aggregate
from domain.privacy.data_export import DataExport
from domain.users import User
from domain.users.email_claim import EmailClaim

AGGREGATES: tuple[type[Aggregate], ...] = (User, EmailClaim, AccessRecord, DataExport)
