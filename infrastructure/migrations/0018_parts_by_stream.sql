-- A generation is filled stream by stream: a part has a range of streams instead of the ends of their ids.

-- What an older program has begun to fill is thrown away, and begun anew.
DELETE FROM projection.part;

ALTER TABLE projection.part
    DROP COLUMN first,
    DROP COLUMN last,
    ADD COLUMN first_stream uuid NOT NULL,
    ADD COLUMN last_stream uuid NOT NULL,
    ADD COLUMN events bigint NOT NULL;
COMMENT ON TABLE projection.part IS 'Positions in (after, upto], streams from the first to the last, both included.';
COMMENT ON COLUMN projection.part.events IS 'About how many events it has; for telling how far a rebuild has come.';
