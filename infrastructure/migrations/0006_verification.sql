-- What the last check of each generation against the log came to (docs/decisions/0006-verification.md).

CREATE TABLE projection.verification (
    name           text COLLATE "C" NOT NULL,
    generation     integer NOT NULL,
    verified_at    timestamptz NOT NULL,
    rows           bigint NOT NULL,
    differing      bigint NOT NULL,
    finding        text,
    PRIMARY KEY (name, generation),
    CHECK ((differing > 0) = (finding IS NOT NULL))
);
COMMENT ON COLUMN projection.verification.finding IS 'The first wrong row: its key and columns, no values.';
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.verification TO reprise_projector;
GRANT SELECT ON projection.verification TO reprise_app;

-- Which definition a rebuild was made with: one that failed is not begun again without being asked for.
ALTER TABLE projection.rebuild ADD COLUMN version integer, ADD COLUMN fingerprint text,
    ADD COLUMN is_rollback boolean NOT NULL DEFAULT false, ADD COLUMN started_at timestamptz;
GRANT INSERT (is_rollback) ON projection.rebuild TO reprise_app;

-- Fingerprints now cover the code of the fold. Those of before tell nothing; the next start writes new ones.
UPDATE projection.generation SET fingerprint = '';
