"""The infrastructure of the `eventsourcing` library over our log.

To use it, set `PERSISTENCE_MODULE=infrastructure.eventsourcing_recorders` and `REPRISE_DATABASE_URL`.
Applications of the library write to the log and follow it like everyone else: positions are their notification ids, and
the log's promises are theirs. A log belongs to one application. One that follows another and records events of its own
needs a log of its own, which is a database of its own: give it `<NAME>_REPRISE_DATABASE_URL`.

The tables come from the migrations; nothing here creates or alters any, whatever `CREATE_TABLE` says.
"""

from infrastructure.eventsourcing_recorders.factory import Factory

__all__ = ["Factory"]
