-- The log: one table, one way in (docs/decisions/0001-gapless-log.md).

CREATE SCHEMA log;

-- Roles belong to the whole server and may be there from another database of it.
DO $$
BEGIN
    CREATE ROLE reprise_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT reprise_app TO CURRENT_USER;

CREATE TABLE log.event (
    "position"     bigint PRIMARY KEY,
    recorded_at    timestamptz NOT NULL,
    stream_id      uuid NOT NULL,
    version        integer NOT NULL CHECK (version >= 0),
    topic          text COLLATE "C" NOT NULL,
    state          bytea NOT NULL,
    command_id     uuid,
    correlation_id uuid,
    causation_id   uuid,
    trace_id       bytea,
    actor          text COLLATE "C",
    on_behalf_of   text COLLATE "C",
    client         text COLLATE "C",
    reason         text,
    UNIQUE (stream_id, version)
);
COMMENT ON TABLE log.event IS 'Every fact, once, in one order. Positions are 1, 2, 3, … without a gap, in commit order.';
COMMENT ON COLUMN log.event.actor IS 'Who did it, as kind:id.';
COMMENT ON COLUMN log.event.trace_id IS 'W3C trace id, 16 octets.';

-- One row; every append updates it, so it keeps room for itself on its page and is vacuumed early.
CREATE TABLE log.head (
    only_one       boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    "position"     bigint NOT NULL,
    recorded_at    timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
INSERT INTO log.head VALUES (true, 0, '-infinity');
COMMENT ON TABLE log.head IS 'The last position given out and its instant. Its row lock is the queue of the writers.';

CREATE TABLE log.command (
    key            bytea PRIMARY KEY,
    fingerprint    bytea NOT NULL,
    result         bytea NOT NULL,
    "position"     bigint NOT NULL,
    recorded_at    timestamptz NOT NULL
);
CREATE INDEX command_recorded_at ON log.command USING brin (recorded_at);
COMMENT ON TABLE log.command IS 'Idempotency keys (hashed), with the answer to the command, written together with its events.';

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'log.% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log.event
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER head_is_never_removed BEFORE DELETE OR TRUNCATE ON log.head
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- Appends a batch of commands. Each is all or nothing by itself; a losing one fails alone.
--
-- The arrays in the first group have one element per command, those in the second one per event; `event_command`
-- names the command (1-based) an event belongs to. Versions of a stream go up by one; a new stream begins at 1
-- (or 0, as the eventsourcing library allows).
--
-- outcome   appended     the events are in the log; "position" is that of the last one (the head's, if there are none)
--           known        the command's key was used before with this fingerprint; "position" and result are the old ones
--           recorded     the very same command is in the log already (a retry after its answer was lost)
--           key_reused   the command's key was used before with another fingerprint
--           conflict     one of its streams is not where the command thinks it is, or an earlier command of the batch
--                        works on the same stream or key
--
-- Under the head's lock no other append is running, so these checks are free of races and need no exceptions.
-- Sequential scans are off because plans are cached while the tables are still small.
CREATE FUNCTION log.append(
    command_ids      uuid[],
    keys             bytea[],
    fingerprints     bytea[],
    results          bytea[],
    correlation_ids  uuid[],
    causation_ids    uuid[],
    trace_ids        bytea[],
    actors           text[],
    on_behalf_ofs    text[],
    clients          text[],
    reasons          text[],
    event_commands   integer[],
    stream_ids       uuid[],
    versions         integer[],
    topics           text[],
    states           bytea[]
) RETURNS TABLE (command integer, outcome text, "position" bigint, recorded_at timestamptz, result bytea)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    head        bigint;
    instant     timestamptz;
    outcomes    text[];
    appended    integer;
BEGIN
    SELECT h."position", greatest(clock_timestamp(), h.recorded_at) INTO STRICT head, instant
    FROM log.head h FOR UPDATE;

    WITH stream AS (
        -- In the order of the events, versions less their place are the same number as long as they go up by one.
        SELECT e.command, e.stream_id, min(e.version) AS first,
               min(e.version - e.place) <> max(e.version - e.place) AS is_broken,
               row_number() OVER (PARTITION BY e.stream_id ORDER BY e.command) > 1 AS is_shared
        FROM (
            SELECT u.*, row_number() OVER (PARTITION BY u.command, u.stream_id ORDER BY u.ordinality) AS place
            FROM unnest(event_commands, stream_ids, versions) WITH ORDINALITY AS u (command, stream_id, version, ordinality)
        ) e
        GROUP BY e.command, e.stream_id
    ), verdict AS (
        SELECT s.command,
               bool_or(s.is_shared OR s.is_broken
                       OR CASE WHEN tail.version IS NULL THEN s.first > 1 ELSE s.first <> tail.version + 1 END) AS is_stale,
               bool_or(same.found IS NOT NULL) AS is_recorded
        FROM stream s
        LEFT JOIN LATERAL (
            SELECT e.version FROM log.event e WHERE e.stream_id = s.stream_id ORDER BY e.version DESC LIMIT 1
        ) tail ON true
        LEFT JOIN LATERAL (
            SELECT true AS found FROM log.event e
            WHERE e.stream_id = s.stream_id AND e.version = s.first AND e.command_id = command_ids[s.command]
        ) same ON tail.version >= s.first
        GROUP BY s.command
    )
    SELECT array_agg(
        CASE WHEN known.key IS NOT NULL AND known.fingerprint = c.fingerprint THEN 'known'
             WHEN known.key IS NOT NULL THEN 'key_reused'
             WHEN v.is_recorded THEN 'recorded'
             WHEN v.is_stale OR c.key_is_shared THEN 'conflict'
             ELSE 'appended'
        END ORDER BY c.command)
    INTO outcomes
    FROM (
        SELECT u.key, u.fingerprint, u.ordinality::integer AS command,
               u.key IS NOT NULL AND row_number() OVER (PARTITION BY u.key ORDER BY u.ordinality) > 1 AS key_is_shared
        FROM unnest(keys, fingerprints) WITH ORDINALITY AS u (key, fingerprint, ordinality)
    ) c
    LEFT JOIN LATERAL (SELECT k.key, k.fingerprint FROM log.command k WHERE k.key = c.key) known ON true
    LEFT JOIN verdict v ON v.command = c.command;

    -- A join, because looking into an array of texts takes longer the longer the array is.
    INSERT INTO log.event
    SELECT head + row_number() OVER (ORDER BY e.command, e.ordinality), instant,
           e.stream_id, e.version, e.topic, e.state,
           c.command_id, c.correlation_id, c.causation_id, c.trace_id, c.actor, c.on_behalf_of, c.client, c.reason
    FROM unnest(event_commands, stream_ids, versions, topics, states)
         WITH ORDINALITY AS e (command, stream_id, version, topic, state, ordinality)
    JOIN unnest(outcomes, command_ids, correlation_ids, causation_ids, trace_ids, actors, on_behalf_ofs, clients, reasons)
         WITH ORDINALITY AS c (outcome, command_id, correlation_id, causation_id, trace_id, actor, on_behalf_of, client,
                               reason, command)
         ON c.command = e.command
    WHERE c.outcome = 'appended';
    GET DIAGNOSTICS appended = ROW_COUNT;

    IF appended > 0 THEN
        UPDATE log.head h SET "position" = head + appended, recorded_at = instant;
    END IF;

    RETURN QUERY
    WITH numbered AS (
        SELECT c.command::integer AS command, c.outcome, c.key, c.fingerprint, c.result,
               CASE WHEN n.events IS NULL THEN head + appended
                    ELSE head + sum(n.events) FILTER (WHERE c.outcome = 'appended') OVER (ORDER BY c.command)
               END::bigint AS "position"
        FROM unnest(outcomes, keys, fingerprints, results)
             WITH ORDINALITY AS c (outcome, key, fingerprint, result, command)
        LEFT JOIN (
            SELECT e.command, count(*) AS events FROM unnest(event_commands) AS e (command) GROUP BY e.command
        ) n ON n.command = c.command
    ), kept AS (
        INSERT INTO log.command
        SELECT n.key, n.fingerprint, n.result, n."position", instant
        FROM numbered n
        WHERE n.outcome = 'appended' AND n.key IS NOT NULL
    )
    SELECT n.command, n.outcome,
           CASE n.outcome WHEN 'appended' THEN n."position" ELSE coalesce(known."position", same."position") END,
           CASE n.outcome WHEN 'appended' THEN instant ELSE coalesce(known.recorded_at, same.recorded_at) END,
           known.result
    FROM numbered n
    LEFT JOIN LATERAL (
        SELECT k."position", k.recorded_at, k.result FROM log.command k WHERE n.outcome = 'known' AND k.key = n.key
    ) known ON true
    LEFT JOIN LATERAL (
        SELECT e."position", e.recorded_at
        FROM unnest(event_commands, stream_ids, versions) AS u (command, stream_id, version)
        JOIN log.event e ON e.stream_id = u.stream_id AND e.version = u.version
        WHERE n.outcome = 'recorded' AND u.command = n.command
        ORDER BY e."position" DESC LIMIT 1
    ) same ON true
    ORDER BY n.command;
END $$;

REVOKE ALL ON FUNCTION log.append FROM PUBLIC;
GRANT USAGE ON SCHEMA log TO reprise_app;
GRANT SELECT ON log.event, log.head, log.command TO reprise_app;
GRANT EXECUTE ON FUNCTION log.append TO reprise_app;
