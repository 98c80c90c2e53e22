"""A log as an auditor meets it: few actors who do much, many who do little, imports, and people who act for themselves.

Made by the database itself, because ten million facts are needed and their content does not matter here. The n-th fact
is about user n modulo the number of users, so that each user has as many facts, far apart.
"""

import psycopg
from psycopg import sql

FACTS_OF_USER = 10
IMPORTS = 20
"""Imports that have brought the first half of the users; all facts of one have the same correlation id."""
AGENTS = 200

# Hashes of the position stand for chance, so that the same position is always the same fact.
_FILL = sql.SQL("""
INSERT INTO log.event ("position", recorded_at, stream_id, version, topic, state, command_id, correlation_id,
                       actor, on_behalf_of, client)
SELECT n, timestamptz '2025-01-01' + n * interval '3 seconds', user_id, 1 + (n - 1) / {users},
       CASE WHEN version_0 THEN 'user.registered'
            WHEN chance < 450 THEN 'user.country_changed' WHEN chance < 650 THEN 'user.locale_changed'
            WHEN chance < 800 THEN 'user.consent_granted' WHEN chance < 900 THEN 'user.email_verified'
            WHEN chance < 950 THEN 'user.explicit_content_filter_changed' WHEN chance < 970 THEN 'user.deactivated'
            WHEN chance < 985 THEN 'user.reactivated' WHEN chance < 995 THEN 'user.suspended'
            ELSE 'user.reinstated' END,
       CASE WHEN version_0 THEN
            '{{"email":"p' || n || '@example.com","display_name":"P","country":"SE"}}'
            WHEN chance < 450 THEN '{{"country":"SE"}}' WHEN chance < 650 THEN '{{"locale":"sv-SE"}}'
            WHEN chance < 800 THEN '{{"purpose":"ads","document_version":"1"}}'
            WHEN chance < 900 THEN '{{}}' WHEN chance < 950 THEN '{{"explicit_content_filter":true}}'
            WHEN chance < 985 THEN '{{}}' ELSE '{{"reason":"R"}}' END::bytea,
       md5('c' || n)::uuid,
       CASE WHEN is_import THEN md5('i' || n * {imports} / {users})::uuid
            WHEN chance % 3 = 0 THEN md5('r' || n / 5)::uuid END,
       CASE WHEN is_import THEN 'system:import'
            WHEN chance >= 985 THEN 'support:agent-' || abs(hashint8(n * 3)) % {agents}
            WHEN chance % 4 = 0 THEN 'user:' || user_id
            ELSE 'service:' || (ARRAY['web', 'ios', 'android', 'tv'])[1 + abs(hashint8(n * 7)) % 4] END,
       CASE WHEN chance % 50 = 1 THEN user_id::text END,
       CASE WHEN chance % 4 = 0 THEN 'player' END
FROM (
    SELECT n, md5('u' || n % {users})::uuid AS user_id, n <= {users} AS version_0, n <= {users} / 2 AS is_import,
           abs(hashint8(n)::bigint) % 1000 AS chance
    FROM generate_series(1, {events}::bigint) AS n
) fact
""")


def fill_busily(conninfo: str, users: int) -> int:
    """Write a busy log of so many users into an empty one, as superuser; answers how many facts it has."""
    events = users * FACTS_OF_USER
    numbers = {"users": users, "events": events, "imports": IMPORTS, "agents": AGENTS}
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(_FILL.format(**{name: sql.Literal(number) for name, number in numbers.items()}))
        connection.execute(
            'UPDATE log.head SET ("position", recorded_at) = '
            '(SELECT "position", recorded_at FROM log.event ORDER BY "position" DESC LIMIT 1)'
        )
        connection.execute("VACUUM (ANALYZE) log.event, log.head")
        connection.execute("CHECKPOINT")
    return events
