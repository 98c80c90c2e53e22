-- The end of the log is found at once, however many versions of its row there are (docs/decisions/0039-versions-of-the-head.md).
-- The functions are those of migrations 0001 and 0011, which explain them, but for how they find that row.

-- Whoever waits for the log's head for longer holds up everybody: better to be told, and to try again later.
SET LOCAL lock_timeout = '10s';

-- Each append makes a version of the row. While somebody's snapshot is old, none of them can be removed, and who reads the
-- table reads them all. By the index, only those of the newest block are read. It is the same for 256 events, so that
-- other versions need no entry in it, and are removed by whoever comes across them (HOT).
ALTER TABLE log.head ADD COLUMN block bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN log.head.block IS 'Grows with the position, but seldom: where in the index the newest version is.';
CREATE INDEX head_by_block ON log.head (block);

CREATE VIEW log.tip AS SELECT h."position", h.recorded_at FROM log.head h ORDER BY h.block DESC LIMIT 1;
COMMENT ON VIEW log.tip IS 'The last position given out and its instant; the same as log.head, and quick in any case.';
GRANT SELECT ON log.tip TO reprise_app, reprise_projector, reprise_sealer;

CREATE OR REPLACE FUNCTION log.append_each(
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
    FROM log.head h WHERE h.block >= (SELECT max(l.block) FROM log.head l) FOR UPDATE;

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
        UPDATE log.head h
        SET "position" = head + appended, recorded_at = instant, block = greatest(h.block, (head + appended) / 256)
        WHERE h.block >= (SELECT max(l.block) FROM log.head l);
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

CREATE OR REPLACE FUNCTION log.append(
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
    commands        integer := cardinality(command_ids);
    events          integer := cardinality(event_commands);
    -- A variable's array is unpacked once; an argument's would be for each element that is taken from it.
    event_command   integer[] := event_commands;
    command_id      uuid[] := command_ids;
    correlation_id  uuid[] := correlation_ids;
    causation_id    uuid[] := causation_ids;
    trace_id        bytea[] := trace_ids;
    actor           text[] := actors;
    on_behalf_of    text[] := on_behalf_ofs;
    client          text[] := clients;
    reason          text[] := reasons;
    head            bigint;
    instant         timestamptz;
    positions       bigint[];
BEGIN
    IF events > 0 AND 1 <= ALL (versions) THEN
        BEGIN
            UPDATE log.head h
            SET "position" = h."position" + events, recorded_at = greatest(clock_timestamp(), h.recorded_at),
                block = greatest(h.block, (h."position" + events) / 256)
            WHERE h.block >= (SELECT max(l.block) FROM log.head l)
            RETURNING h."position" - events, h.recorded_at INTO STRICT head, instant;

            INSERT INTO log.event
            SELECT head + e.place, instant, e.stream_id, e.version, e.topic, e.state,
                   command_id[e.command], correlation_id[e.command], causation_id[e.command], trace_id[e.command],
                   actor[e.command], on_behalf_of[e.command], client[e.command], reason[e.command]
            FROM unnest(event_commands, stream_ids, versions, topics, states)
                 WITH ORDINALITY AS e (command, stream_id, version, topic, state, place);

            -- The event before must be in the log, or stand before this one in the same command.
            PERFORM FROM unnest(event_commands, stream_ids, versions)
                         WITH ORDINALITY AS e (command, stream_id, version, place)
            LEFT JOIN LATERAL (
                SELECT b."position" FROM log.event b WHERE b.stream_id = e.stream_id AND b.version = e.version - 1
                LIMIT 1
            ) b ON true
            WHERE e.version > 1
              AND (b."position" IS NULL
                   OR b."position" > head
                      AND (b."position" >= head + e.place OR event_command[b."position" - head] <> e.command));
            IF FOUND THEN
                RAISE unique_violation;
            END IF;

            positions := array_fill(head + events, ARRAY[commands]);
            FOR place IN 1..events LOOP
                positions[event_command[place]] := head + place;
            END LOOP;

            INSERT INTO log.command
            SELECT c.key, c.fingerprint, c.result, c."position", instant
            FROM unnest(keys, fingerprints, results, positions) AS c (key, fingerprint, result, "position")
            WHERE c.key IS NOT NULL;

            RETURN QUERY
            SELECT p.command::integer, 'appended', p."position", instant, NULL::bytea
            FROM unnest(positions) WITH ORDINALITY AS p ("position", command);
            RETURN;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;

    RETURN QUERY
    SELECT * FROM log.append_each(
        command_ids, keys, fingerprints, results, correlation_ids, causation_ids, trace_ids, actors, on_behalf_ofs,
        clients, reasons, event_commands, stream_ids, versions, topics, states);
END $$;
