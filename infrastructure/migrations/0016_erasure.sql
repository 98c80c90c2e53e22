-- Erasing somebody: the event, the end of the key and the receipt are one (docs/decisions/0004-privacy.md).

CREATE TABLE keys.erasure (
    subject_id     uuid PRIMARY KEY,
    "position"     bigint NOT NULL UNIQUE,
    recorded_at    timestamptz NOT NULL,
    swept_at       timestamptz
);
CREATE INDEX erasures_to_sweep_up_after ON keys.erasure ("position") WHERE swept_at IS NULL;
COMMENT ON TABLE keys.erasure IS 'Receipts: who was erased, by which event. By whom and why is in the log.';
COMMENT ON COLUMN keys.erasure.swept_at IS 'When nothing was left of the person outside the log, either.';

-- Whatever records the event destroys the key, in the same transaction: there is no moment between the two. The row stays,
-- empty, also where there was no key yet, so that nobody ever gets another one under this id.
CREATE FUNCTION keys.destroy() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO keys.subject_key (subject_id) VALUES (NEW.stream_id)
    ON CONFLICT (subject_id) DO UPDATE SET wrapped = NULL, master_id = NULL;
    INSERT INTO keys.erasure (subject_id, "position", recorded_at)
    VALUES (NEW.stream_id, NEW."position", NEW.recorded_at)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER erasing_destroys_the_key AFTER INSERT ON log.event
    FOR EACH ROW WHEN (NEW.topic = 'user.erased') EXECUTE FUNCTION keys.destroy();

GRANT SELECT ON keys.erasure TO reprise_app, reprise_projector;
GRANT UPDATE (swept_at) ON keys.erasure TO reprise_projector;
