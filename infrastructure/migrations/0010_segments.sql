-- Which streams of a generation are folded up to where (docs/decisions/0012-segments.md).

CREATE TABLE projection.segment (
    name           text COLLATE "C" NOT NULL,
    generation     integer NOT NULL,
    first          smallint NOT NULL CHECK (first >= 0),
    last           smallint NOT NULL CHECK (last BETWEEN first AND 255),
    "position"     bigint NOT NULL,
    PRIMARY KEY (name, generation, first),
    FOREIGN KEY (name, generation) REFERENCES projection.generation ON DELETE CASCADE
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE projection.segment IS
    'The segments of a generation cover the last octets of stream ids, 0 to 255, each once. Their row locks are leases.';
COMMENT ON COLUMN projection.segment."position" IS
    'The checkpoint: every event of these streams up to it is folded in. Changed only together with the rows, by '
    'compare-and-set.';
INSERT INTO projection.segment SELECT name, generation, 0, 255, "position" FROM projection.generation;

-- Where a generation stands: all of it is folded at least up to this position, and no further if it has one segment.
CREATE VIEW projection.standing AS
SELECT g.name, g.generation, g.version, g.fingerprint, g.state, g.failure, g.created_at, g.switched_at,
       (SELECT min(s."position") FROM projection.segment s
        WHERE s.name = g.name AND s.generation = g.generation) AS "position"
FROM projection.generation g;

-- A worker of a program from before segments must not fold what a segment has passed: it can change nothing here now.
REVOKE UPDATE ON projection.generation FROM reprise_projector;
GRANT UPDATE (fingerprint, state, failure, switched_at) ON projection.generation TO reprise_projector;
COMMENT ON COLUMN projection.generation."position" IS 'As it was before there were segments; not read any more.';
COMMENT ON COLUMN projection.generation.recorded_at IS 'As it was before there were segments; not read any more.';

GRANT SELECT, INSERT, UPDATE, DELETE ON projection.segment TO reprise_projector;
GRANT SELECT ON projection.segment TO reprise_app;
GRANT SELECT ON projection.standing TO reprise_projector, reprise_app;
