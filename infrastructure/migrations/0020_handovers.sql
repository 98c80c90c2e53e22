-- How one key for checkpoints hands over to the next (docs/decisions/0029-keys-hand-over.md). A program from before adds
-- keys without it.

ALTER TABLE audit.verifier_key ADD COLUMN handover text;
COMMENT ON COLUMN audit.verifier_key.handover IS
    'A checkpoint in which the key before names this one, signed by both; NULL for the first key of a log.';
