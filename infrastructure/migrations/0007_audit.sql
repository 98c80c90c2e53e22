-- The Merkle tree over the log, and its checkpoints (docs/decisions/0008-provable-log.md). Written by the sealer only.

CREATE SCHEMA audit;

DO $$
BEGIN
    CREATE ROLE reprise_sealer NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT reprise_sealer TO CURRENT_USER;

-- Hashes are random: trying to compress them is a waste of time.
CREATE TABLE audit.tile (
    level          smallint NOT NULL CHECK (level >= 0),
    index          bigint NOT NULL CHECK (index >= 0),
    hashes         bytea NOT NULL CHECK (length(hashes) = 256 * 32),
    PRIMARY KEY (level, index)
);
ALTER TABLE audit.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE audit.tile IS
    'Full tiles: the hashes of the nodes 256 * index … 256 * index + 255 of tree level 8 * level.';

-- One row: where the sealer is. Changed together with the tiles and checkpoints, by compare-and-set.
CREATE TABLE audit.sealed (
    only_one       boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    size           bigint NOT NULL,
    edges          bytea[] NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE audit.sealed ALTER COLUMN edges SET STORAGE EXTERNAL;
INSERT INTO audit.sealed VALUES (true, 0, '{}');
COMMENT ON COLUMN audit.sealed.edges IS 'The tiles at the right edge that are not full yet, from level 0 up.';

CREATE TABLE audit.checkpoint (
    size           bigint PRIMARY KEY,
    note           text NOT NULL,
    published_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE audit.checkpoint IS 'Every checkpoint that was ever published, as a signed note.';

CREATE TABLE audit.verifier_key (
    key            text PRIMARY KEY,
    published_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE audit.verifier_key IS 'Every key that checkpoints were ever signed with: the public halves.';

CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit.% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER tile_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.tile
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER checkpoint_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER verifier_key_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.verifier_key
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE TRIGGER sealed_is_never_removed BEFORE DELETE OR TRUNCATE ON audit.sealed
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();

GRANT USAGE ON SCHEMA log, audit TO reprise_sealer;
GRANT SELECT ON log.event, log.head TO reprise_sealer;
GRANT SELECT, INSERT ON audit.tile, audit.checkpoint, audit.verifier_key TO reprise_sealer;
GRANT SELECT, UPDATE ON audit.sealed TO reprise_sealer;

GRANT USAGE ON SCHEMA audit TO reprise_app;
GRANT SELECT ON audit.tile, audit.sealed, audit.checkpoint, audit.verifier_key TO reprise_app;
