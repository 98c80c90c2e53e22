-- Whether a rebuild under way moves, and if not, what it waits for (docs/decisions/0040-rebuilds-in-trouble.md).
ALTER TABLE projection.rebuild
    -- When it was last seen to do something; not told by programs before this one.
    ADD COLUMN progressed_at timestamptz,
    -- The lock that it waits for and who holds it.
    ADD COLUMN waiting_for   text;
