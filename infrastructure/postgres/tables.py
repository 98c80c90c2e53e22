"""Every table that no definition of read models describes, and what its columns say about people."""

from enum import StrEnum

import msgspec

from application.data_map import Holding, Kind
from application.projections.definition import LIKE_THE_LOG

WITH_THE_SERVICE = "as long as the service"


class Backup(StrEnum):
    """Which backup a table is part of."""

    LOG = "log"
    KEYS = "keys"
    NONE = "none"
    """It can be rebuilt."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table and all of its columns, by what each says about people; a test compares it with the database."""

    name: str
    purpose: str
    kept: str
    backup: Backup
    readable: str = ""
    """Names of columns, with spaces between; so are the next three."""
    sealed: str = ""
    linked: str = ""
    none: str = ""

    @property
    def columns(self) -> set[str]:
        """The names of all columns."""
        return {*self.readable.split(), *self.sealed.split(), *self.linked.split(), *self.none.split()}

    def holdings(self) -> list[Holding]:
        """One for each kind of column that there is."""
        kinds = (
            (Kind.READABLE, self.readable),
            (Kind.SEALED, self.sealed),
            (Kind.LINKED, self.linked),
            (Kind.NONE, self.none),
        )
        return [
            Holding(
                place=f"table {self.name}", fields=tuple(names.split()), purpose=self.purpose, kind=kind, kept=self.kept
            )
            for kind, names in kinds
            if names
        ]


TABLES = (
    Table(
        name="log.event",
        purpose="the events (`state`: see events), with actor, client, commands and reason",
        kept=LIKE_THE_LOG,
        backup=Backup.LOG,
        sealed="state reason",
        linked=(
            "position stream_id version topic recorded_at actor on_behalf_of client command_id "
            "correlation_id causation_id trace_id"
        ),
    ),
    Table(
        name="log.head",
        purpose="where the log ends",
        kept=LIKE_THE_LOG,
        backup=Backup.LOG,
        none="only_one position recorded_at block",
    ),
    Table(
        name="log.command",
        purpose="carrying out repeated commands once: keyed digests, and the id in the answer",
        kept="72 hours (`REPRISE_IDEMPOTENCY_HOURS`); those of imported lines as long as the log",
        backup=Backup.LOG,
        linked="key fingerprint result position recorded_at",
    ),
    Table(
        name="log.command_retention",
        purpose="how far old idempotency keys were deleted",
        kept=WITH_THE_SERVICE,
        backup=Backup.LOG,
        none="only_one looked_at_to",
    ),
    Table(
        name="keys.master_key",
        purpose="wrapping subject keys; wrapped by a key that is not in the database",
        kept="until it is replaced",
        backup=Backup.KEYS,
        none="id key_encryption_key wrapped created_at",
    ),
    Table(
        name="keys.subject_key",
        purpose="sealing personal data: each person's subject key, wrapped",
        kept="the key until the person is erased, the empty row as long as the log",
        backup=Backup.KEYS,
        linked="subject_id master_id wrapped",
    ),
    Table(
        name="keys.claims_key",
        purpose="recognising the claims key: its fingerprint",
        kept=WITH_THE_SERVICE,
        backup=Backup.LOG,
        none="only_one fingerprint since",
    ),
    Table(
        name="keys.erasure",
        purpose="receipts of erasures",
        kept=LIKE_THE_LOG,
        backup=Backup.LOG,
        linked="subject_id position recorded_at swept_at",
    ),
    Table(
        name="projection.generation",
        purpose="the position and state of each read model",
        kept=WITH_THE_SERVICE,
        backup=Backup.NONE,
        none="name generation version fingerprint state position recorded_at failure created_at switched_at",
    ),
    Table(
        name="projection.segment",
        purpose="how far the streams of each read model are folded",
        kept=WITH_THE_SERVICE,
        backup=Backup.NONE,
        none="name generation first last position",
    ),
    Table(
        name="projection.pace",
        purpose="how fast each read model is followed",
        kept=WITH_THE_SERVICE,
        backup=Backup.NONE,
        none="name generation position measured_at per_second",
    ),
    Table(
        name="projection.part",
        purpose="which parts of a rebuild are done",
        kept=WITH_THE_SERVICE,
        backup=Backup.NONE,
        none="name generation number after upto first_stream last_stream events rows",
    ),
    Table(
        name="projection.rebuild",
        purpose="rebuilds, and who requested them",
        kept=WITH_THE_SERVICE,
        backup=Backup.NONE,
        linked="requested_by",
        none=(
            "id name state requested_at finished_at generation phase events_done events_total "
            "rows_written failure version fingerprint is_rollback started_at progressed_at waiting_for"
        ),
    ),
    Table(
        name="projection.letter",
        purpose="letters: events that a read model could not fold, and how staff settled them",
        kept=WITH_THE_SERVICE,
        backup=Backup.LOG,
        linked="stream_id position closed_by reason wished_by wish_reason",
        none="id name generation topic error state opened_at attempted_at closed_at wish",
    ),
    Table(
        name="projection.verification",
        purpose="checks of read models against the log; keys and columns of wrong rows, no values",
        kept="until the next check",
        backup=Backup.NONE,
        linked="finding",
        none="name generation verified_at rows differing",
    ),
    Table(
        name="projection.mail_mark",
        purpose="how far mails were sent",
        kept=WITH_THE_SERVICE,
        backup=Backup.LOG,
        none="only_one position",
    ),
    Table(
        name="projection.undelivered_mail",
        purpose="mails that were rejected: the position of the event, and the server's reply code",
        kept="until it is delivered; if rejected for good, as long as the service",
        backup=Backup.LOG,
        linked="position",
        none="answer attempts first_tried_at tried_at next_attempt_at",
    ),
    Table(
        name="audit.tile",
        purpose="proving the log: hashes of its rows",
        kept=LIKE_THE_LOG,
        backup=Backup.LOG,
        none="level index hashes",
    ),
    Table(
        name="audit.sealed", purpose="proving the log", kept=LIKE_THE_LOG, backup=Backup.LOG, none="only_one size edges"
    ),
    Table(
        name="audit.checkpoint",
        purpose="proving the log: every signed checkpoint",
        kept=LIKE_THE_LOG,
        backup=Backup.LOG,
        none="size note published_at",
    ),
    Table(
        name="audit.verifier_key",
        purpose="proving the log: the public keys of checkpoints",
        kept=LIKE_THE_LOG,
        backup=Backup.LOG,
        none="key published_at handover",
    ),
    Table(
        name="library.tracking",
        purpose="how far your own programs that use the eventsourcing library have read",
        kept=WITH_THE_SERVICE,
        backup=Backup.LOG,
        none="follower application_name notification_id write_id",
    ),
    Table(
        name="library.snapshot",
        purpose="snapshots that your own programs take with the eventsourcing library; Reprise takes none",
        kept="until those programs remove them",
        backup=Backup.NONE,
        readable="state",
        linked="stream_id version topic write_id",
    ),
    Table(
        name="schema_migration.applied",
        purpose="which migrations were applied",
        kept=WITH_THE_SERVICE,
        backup=Backup.NONE,
        none="name digest applied_at",
    ),
    Table(
        name="schema_migration.role",
        purpose="what the roles of the programs are called in this database",
        kept=WITH_THE_SERVICE,
        backup=Backup.NONE,
        none="purpose name former",
    ),
)
