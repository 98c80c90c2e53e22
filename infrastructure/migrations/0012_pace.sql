-- How fast each read model is followed: positions a second, measured by its workers now and then.

CREATE TABLE projection.pace (
    name           text COLLATE "C" PRIMARY KEY,
    generation     integer NOT NULL,
    "position"     bigint NOT NULL,
    measured_at    timestamptz NOT NULL,
    per_second     double precision NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
GRANT SELECT, INSERT, UPDATE ON projection.pace TO reprise_projector;
GRANT SELECT ON projection.pace TO reprise_app;
