-- Idempotency keys are forgotten after a while (docs/decisions/0011-retention-of-idempotency-keys.md).

-- All commands of one append have the same instant, so entries are few and are added at the right edge.
CREATE INDEX command_in_order ON log.command (recorded_at);
DROP INDEX log.command_recorded_at;

CREATE TABLE log.command_retention (
    only_one       boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    looked_at_to   timestamptz NOT NULL
);
INSERT INTO log.command_retention VALUES (true, '-infinity');
COMMENT ON TABLE log.command_retention IS 'Keys of commands up to this instant were forgotten, or are kept for good.';

-- Forgets the keys of commands that were recorded longer ago, at most so many at a time; says how many it has looked at.
-- Those of imports are kept, so that a file can be imported again at any time. What is younger than a day is safe from
-- every caller.
CREATE FUNCTION log.forget_commands(older_than interval, at_most integer) RETURNS integer
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    mark      timestamptz;
    upto      timestamptz;
    looked_at integer;
BEGIN
    IF older_than < interval '24 hours' THEN
        RAISE EXCEPTION 'idempotency keys are kept for at least 24 hours' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT r.looked_at_to INTO mark FROM log.command_retention r FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT max(c.recorded_at), count(*) INTO upto, looked_at FROM (
        SELECT k.recorded_at FROM log.command k
        WHERE k.recorded_at > mark AND k.recorded_at < clock_timestamp() - older_than
        ORDER BY k.recorded_at FETCH FIRST at_most ROWS WITH TIES
    ) c;
    IF looked_at > 0 THEN
        DELETE FROM log.command c
        WHERE c.recorded_at > mark AND c.recorded_at <= upto
          AND NOT EXISTS (
              SELECT FROM log.event e WHERE e."position" = c."position" AND e.actor = 'system:import'
          );
        UPDATE log.command_retention SET looked_at_to = upto;
    END IF;
    RETURN looked_at;
END $$;

REVOKE ALL ON FUNCTION log.forget_commands FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.forget_commands TO reprise_projector;
