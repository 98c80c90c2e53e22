-- Events that rows were made of once and that cannot be read any more: they hold nothing back, but no rebuild gets past
-- them (docs/decisions/0037-unreadable-histories.md).

ALTER TABLE projection.letter DROP CONSTRAINT letter_state_check,
    ADD CONSTRAINT letter_state_check CHECK (state IN ('open', 'blocking', 'retried', 'resolved', 'superseded'));
CREATE UNIQUE INDEX one_blocking_letter_for_an_event ON projection.letter (name, generation, "position")
    WHERE state = 'blocking';
COMMENT ON COLUMN projection.letter.state IS
    'open: the stream is held. blocking: folded once, in the way of rebuilds. resolved: the model leaves this event out, '
    'rebuilt or not. superseded: the rows are gone.';
