-- Events that a read model cannot fold, and the streams that are held because of them
-- (docs/decisions/0005-dead-letters.md). Names positions and kinds of error; no content of any event.

CREATE TABLE projection.letter (
    id             uuid PRIMARY KEY,
    name           text COLLATE "C" NOT NULL,
    generation     integer NOT NULL,
    stream_id      uuid NOT NULL,
    "position"     bigint NOT NULL,
    topic          text COLLATE "C" NOT NULL,
    error          text NOT NULL,
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retried', 'resolved', 'superseded')),
    opened_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempted_at   timestamptz,
    closed_at      timestamptz,
    closed_by      text COLLATE "C",
    reason         text,
    wish           text CHECK (wish IN ('retry', 'resolve')),
    wished_by      text COLLATE "C",
    wish_reason    text,
    CHECK (state <> 'resolved' OR (closed_by IS NOT NULL AND reason IS NOT NULL))
);
-- A held stream's later events are not tried, so there is at most one.
CREATE UNIQUE INDEX one_open_letter_for_a_stream ON projection.letter (name, generation, stream_id)
    WHERE state = 'open';
CREATE UNIQUE INDEX one_resolved_letter_for_an_event ON projection.letter (name, "position") WHERE state = 'resolved';
CREATE INDEX letters_with_a_wish ON projection.letter (name) WHERE wish IS NOT NULL;
COMMENT ON COLUMN projection.letter.state IS
    'open: the stream is held. resolved: the model leaves this event out, rebuilt or not. superseded: the rows are gone.';
COMMENT ON COLUMN projection.letter.wish IS 'What somebody asked a worker to do about it.';

GRANT SELECT, INSERT, UPDATE ON projection.letter TO reprise_projector;
GRANT SELECT, UPDATE (wish, wished_by, wish_reason) ON projection.letter TO reprise_app;
