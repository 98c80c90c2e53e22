-- The parts in which a generation is filled: each is filled once, whoever begins it how often.

CREATE TABLE projection.part (
    name           text COLLATE "C" NOT NULL,
    generation     integer NOT NULL,
    number         integer NOT NULL,
    "after"        bigint NOT NULL,
    upto           bigint NOT NULL,
    first          smallint NOT NULL,
    last           smallint NOT NULL,
    rows           bigint,
    PRIMARY KEY (name, generation, number),
    FOREIGN KEY (name, generation) REFERENCES projection.generation ON DELETE CASCADE
);
COMMENT ON TABLE projection.part IS 'Positions in (after, upto], streams whose ids end in first to last.';
COMMENT ON COLUMN projection.part.rows IS 'How many rows it came to; set in the transaction that writes them.';
GRANT SELECT, INSERT, UPDATE ON projection.part TO reprise_projector;
