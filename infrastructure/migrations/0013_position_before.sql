-- Where an instant lies in the log (docs/decisions/0016-audit-search.md).

-- Instants never go back along the log, so its order is an index over time already: some thirty looks find the place.
CREATE FUNCTION log.position_before(instant timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    low    bigint := 0;
    high   bigint;
    middle bigint;
BEGIN
    SELECT h."position" INTO STRICT high FROM log.head h;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT e.recorded_at < instant FROM log.event e WHERE e."position" = middle) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;
COMMENT ON FUNCTION log.position_before IS 'The last position that was recorded before an instant; 0 if there is none.';
