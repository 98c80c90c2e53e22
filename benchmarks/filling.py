"""Fills a log with a population through COPY, in the order of its positions, with everything in place.

Indexes, triggers and checks stay on, so that the log is what it would be had it grown by appends: only faster.
"""

import psycopg

from benchmarks.population import ACTOR, Population
from benchmarks.sealing import sealed, secret_of
from infrastructure.encryption.key_encryption import KeyEncryptionKey
from infrastructure.encryption.master_keys import MasterKeys, new_master_key
from infrastructure.encryption.subject_keys import wrap
from infrastructure.log.reader import Connection

EVENT_TYPES = ("int8", "timestamptz", "uuid", "int4", "text", "bytea", "uuid", "bytea", "text", "text")
_COPY_EVENTS = """
COPY log.event ("position", recorded_at, stream_id, version, topic, state, command_id, trace_id, actor, client)
FROM STDIN (FORMAT BINARY)
"""
_KEYS = """
INSERT INTO log.command (key, fingerprint, result, "position", recorded_at)
SELECT sha256(uuid_send(command_id)), sha256(state), uuid_send(stream_id) || int4send(version), "position", recorded_at
FROM log.event WHERE "position" > %s ORDER BY "position"
"""
_CHUNK = 20_000


def fill(conninfo: str, population: Population, key: KeyEncryptionKey) -> None:
    """Write the population into an empty log, as superuser; the log's head comes to stand at its end.

    The last command about each user has an idempotency key: those of older ones have expired.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with connection.transaction():
            _copy_keys(connection, population, key)
            _copy(connection, population)
            last = population.events
            connection.execute(
                'UPDATE log.head SET "position" = %s, recorded_at = %s', (last, population.recorded_at(last))
            )
            connection.execute('UPDATE projection.mail_mark SET "position" = %s', (last,))
        connection.execute(_KEYS, (population.events - population.users,))
        # What autovacuum would do in its own time, and the checkpointer in the middle of a measurement.
        connection.execute("VACUUM (ANALYZE) keys.subject_key, log.event, log.command, log.head")
        connection.execute("CHECKPOINT")


def _copy_keys(connection: Connection, population: Population, key: KeyEncryptionKey) -> None:
    connection.execute(
        "INSERT INTO keys.master_key (id, key_encryption_key, wrapped) VALUES (%s, %s, %s)", new_master_key(key)
    )
    masters = MasterKeys()
    masters.load_now(connection)
    master_id, master = masters.current
    with connection.cursor().copy(
        "COPY keys.subject_key (subject_id, master_id, wrapped) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(("uuid", "int8", "bytea"))
        for number in range(population.users):
            user_id = population.user_id(number)
            copy.write_row((user_id, master_id, wrap(master, user_id, secret_of(user_id))))


def _copy(connection: psycopg.Connection, population: Population) -> None:
    actor, client = str(ACTOR), ACTOR.client
    with connection.cursor().copy(_COPY_EVENTS) as copy:
        copy.set_types(EVENT_TYPES)
        for fact in population.facts():
            copy.write_row(
                (
                    fact.position,
                    fact.recorded_at,
                    fact.stream_id,
                    fact.version,
                    fact.topic,
                    sealed(fact),
                    fact.command_id,
                    fact.trace_id,
                    actor,
                    client,
                )
            )
