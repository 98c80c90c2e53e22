-- The keys of people, apart from the log, so that they can be destroyed (docs/decisions/0004-privacy.md).

CREATE SCHEMA keys;

-- Each wraps many people's keys; the newest is the one to wrap with. Replacing it leaves the events as they are.
CREATE TABLE keys.master_key (
    id                 bigint PRIMARY KEY,
    key_encryption_key text COLLATE "C" NOT NULL,
    wrapped            bytea NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN keys.master_key.key_encryption_key IS 'The name of the key, kept elsewhere, that wrapped this one.';

-- An erased person's row stays, without a key: nobody can ever be given another key under that id.
CREATE TABLE keys.subject_key (
    subject_id     uuid PRIMARY KEY,
    master_id      bigint REFERENCES keys.master_key,
    wrapped        bytea,
    CHECK ((wrapped IS NULL) = (master_id IS NULL))
);
COMMENT ON TABLE keys.subject_key IS 'The key that each person''s fields in the log are sealed with, wrapped by a master key.';

GRANT USAGE ON SCHEMA keys TO reprise_app, reprise_projector;
GRANT SELECT ON keys.master_key, keys.subject_key TO reprise_app, reprise_projector;
GRANT INSERT ON keys.master_key, keys.subject_key TO reprise_app;
