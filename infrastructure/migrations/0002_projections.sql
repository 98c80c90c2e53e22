-- Where each read model stands (docs/decisions/0003-projection-engine.md). The tables of the models themselves are made
-- by the engine, in read_model, one for each generation.

CREATE SCHEMA projection;
CREATE SCHEMA read_model;

DO $$
BEGIN
    CREATE ROLE reprise_projector NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT reprise_projector TO CURRENT_USER;

-- One copy of a read model: a table that was filled from position 1, by one version of its definition.
CREATE TABLE projection.generation (
    name           text COLLATE "C" NOT NULL,
    generation     integer NOT NULL,
    version        integer NOT NULL,
    fingerprint    text NOT NULL,
    state          text NOT NULL CHECK (state IN ('building', 'live', 'retired')),
    "position"     bigint NOT NULL DEFAULT 0,
    recorded_at    timestamptz NOT NULL DEFAULT '-infinity',
    failure        text,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    switched_at    timestamptz,
    PRIMARY KEY (name, generation)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX one_live_generation ON projection.generation (name) WHERE state = 'live';
COMMENT ON COLUMN projection.generation."position" IS
    'The checkpoint: every event up to it is folded in. Changed only together with the rows, by compare-and-set.';
COMMENT ON COLUMN projection.generation.failure IS 'Why following stands still: position and kind of error, no data.';

CREATE TABLE projection.rebuild (
    id             uuid PRIMARY KEY,
    name           text COLLATE "C" NOT NULL,
    state          text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'running', 'succeeded', 'failed')),
    requested_by   text,
    requested_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at    timestamptz,
    generation     integer,
    phase          text,
    events_done    bigint NOT NULL DEFAULT 0,
    events_total   bigint NOT NULL DEFAULT 0,
    rows_written   bigint NOT NULL DEFAULT 0,
    failure        text
);
CREATE UNIQUE INDEX one_rebuild_at_a_time ON projection.rebuild (name) WHERE state IN ('requested', 'running');

GRANT USAGE ON SCHEMA log, projection, read_model TO reprise_projector;
GRANT CREATE ON SCHEMA read_model TO reprise_projector;
GRANT SELECT ON log.event, log.head TO reprise_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.generation, projection.rebuild TO reprise_projector;

GRANT USAGE ON SCHEMA projection, read_model TO reprise_app;
GRANT SELECT ON projection.generation, projection.rebuild TO reprise_app;
GRANT INSERT (id, name, requested_by) ON projection.rebuild TO reprise_app;
ALTER DEFAULT PRIVILEGES FOR ROLE reprise_projector IN SCHEMA read_model GRANT SELECT ON TABLES TO reprise_app;
