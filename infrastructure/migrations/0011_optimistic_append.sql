-- Batches in which every command finds the log as it expects it, which are nearly all, are appended without asking first:
-- the unique indexes refuse what is there already, and one look afterwards shows whether every version follows the one
-- before. If anything is amiss, nothing has happened, and `log.append_each` says of each command what becomes of it: the
-- function that was `log.append` so far, and explains arguments and outcomes (migration 0001).

ALTER FUNCTION log.append RENAME TO append_each;

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
            SET "position" = h."position" + events, recorded_at = greatest(clock_timestamp(), h.recorded_at)
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

REVOKE ALL ON FUNCTION log.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.append TO reprise_app;
