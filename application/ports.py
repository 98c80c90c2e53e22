"""Everything that one running process offers, assembled by the composition root."""

from dataclasses import dataclass

from application.access_records.recording import Accesses, AccessLog
from application.commands import CommandKeys, Commands
from application.history.queries import Timeline
from application.operations.queries import Mails, Projections
from application.privacy.data_exports import DataExports
from application.privacy.erasures import Erasures
from application.proof.queries import Proofs
from application.queries import Log
from application.statistics.counts import Statistics
from application.users.mailed_links import MailedLinks
from application.users.queries import Directory, Users


@dataclass(frozen=True, slots=True)
class Service:
    """The application's parts, as ports."""

    commands: Commands
    command_keys: CommandKeys
    users: Users
    directory: Directory
    timeline: Timeline
    erasures: Erasures
    statistics: Statistics
    projections: Projections
    proofs: Proofs
    mails: Mails
    mailed_links: MailedLinks
    log: Log
    accesses: Accesses
    access_log: AccessLog
    exports: DataExports
