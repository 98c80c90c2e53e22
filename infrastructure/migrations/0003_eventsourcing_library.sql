-- What the recorders for the eventsourcing library keep beside the log (infrastructure/eventsourcing_recorders).

CREATE SCHEMA library;

-- Aggregates as they were at a version. They can be made again from the log at any time.
CREATE TABLE library.snapshot (
    stream_id      uuid NOT NULL,
    version        integer NOT NULL CHECK (version >= 0),
    topic          text COLLATE "C" NOT NULL,
    state          bytea NOT NULL,
    write_id       uuid NOT NULL,
    PRIMARY KEY (stream_id, version)
);
COMMENT ON COLUMN library.snapshot.write_id IS 'Names the write, so that one repeated after its answer was lost is recognised.';

-- How far each follower has got in the notification log of each application.
CREATE TABLE library.tracking (
    follower         text COLLATE "C" NOT NULL,
    application_name text COLLATE "C" NOT NULL,
    notification_id  bigint,
    write_id         uuid,
    PRIMARY KEY (follower, application_name)
) WITH (fillfactor = 50);
COMMENT ON COLUMN library.tracking.notification_id IS 'The last one processed; null until there is one.';
COMMENT ON COLUMN library.tracking.write_id IS 'Names the last write, as in library.snapshot.';

-- Appends one command, without what the platform records about who sent it. Outcomes as of log.append.
--
-- What is taken stays taken: such a command is refused before it queues for the head's lock and costs a disk flush.
CREATE FUNCTION library.append(
    command_id       uuid,
    client           text,
    stream_ids       uuid[],
    versions         integer[],
    topics           text[],
    states           bytea[]
) RETURNS TABLE (outcome text, "position" bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
#variable_conflict use_variable
BEGIN
    IF EXISTS (
        SELECT FROM unnest(stream_ids, versions) AS wanted (stream_id, version)
        JOIN log.event taken ON taken.stream_id = wanted.stream_id AND taken.version = wanted.version
        WHERE taken.command_id IS DISTINCT FROM command_id
    ) THEN
        RETURN QUERY SELECT 'conflict', NULL::bigint;
        RETURN;
    END IF;

    RETURN QUERY
    SELECT a.outcome, a."position"
    FROM log.append(
        command_ids     => ARRAY[command_id],
        keys            => ARRAY[NULL::bytea],
        fingerprints    => ARRAY[NULL::bytea],
        results         => ARRAY[NULL::bytea],
        correlation_ids => ARRAY[NULL::uuid],
        causation_ids   => ARRAY[NULL::uuid],
        trace_ids       => ARRAY[NULL::bytea],
        actors          => ARRAY[NULL::text],
        on_behalf_ofs   => ARRAY[NULL::text],
        clients         => ARRAY[nullif(client, '')],
        reasons         => ARRAY[NULL::text],
        event_commands  => array_fill(1, ARRAY[cardinality(stream_ids)]),
        stream_ids      => stream_ids,
        versions        => versions,
        topics          => topics,
        states          => states
    ) a;
END $$;

-- Appends one command together with the follower's progress that led to it: both or neither.
--
-- Outcome 'tracked': the follower has been there before. The follower's row is locked first and the log's head second;
-- both locks are let go when the statement ends, which no client can delay.
CREATE FUNCTION library.append_tracked(
    follower         text,
    application_name text,
    notification_id  bigint,
    command_id       uuid,
    client           text,
    stream_ids       uuid[],
    versions         integer[],
    topics           text[],
    states           bytea[]
) RETURNS TABLE (outcome text, "position" bigint)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    progress library.tracking;
BEGIN
    INSERT INTO library.tracking VALUES (append_tracked.follower, append_tracked.application_name)
    ON CONFLICT DO NOTHING;

    SELECT t.* INTO STRICT progress FROM library.tracking t
    WHERE t.follower = append_tracked.follower AND t.application_name = append_tracked.application_name
    FOR UPDATE;

    IF progress.notification_id >= append_tracked.notification_id
       AND progress.write_id IS DISTINCT FROM append_tracked.command_id THEN
        RETURN QUERY SELECT 'tracked', NULL::bigint;
        RETURN;
    END IF;

    RETURN QUERY
    WITH appended AS (
        SELECT a.outcome, a."position"
        FROM library.append(command_id, client, stream_ids, versions, topics, states) a
    ), tracked AS (
        UPDATE library.tracking t
        SET notification_id = append_tracked.notification_id, write_id = append_tracked.command_id
        FROM appended
        WHERE appended.outcome IN ('appended', 'recorded')
          AND t.follower = append_tracked.follower AND t.application_name = append_tracked.application_name
    )
    SELECT a.outcome, a."position" FROM appended a;
END $$;

REVOKE ALL ON FUNCTION library.append, library.append_tracked FROM PUBLIC;
GRANT USAGE ON SCHEMA library TO reprise_app;
GRANT SELECT, INSERT, UPDATE ON library.snapshot, library.tracking TO reprise_app;
GRANT EXECUTE ON FUNCTION library.append, library.append_tracked TO reprise_app;
