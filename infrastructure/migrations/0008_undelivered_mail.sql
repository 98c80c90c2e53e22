-- Mails that were not taken, or could not be made. They are put aside, so that the ones behind them go out
-- (docs/decisions/0010-mails.md). Names positions and answers of mail servers; no address, no content of any event.

CREATE TABLE projection.undelivered_mail (
    "position"      bigint PRIMARY KEY,
    answer          text NOT NULL,
    attempts        integer NOT NULL DEFAULT 1,
    first_tried_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz
);
CREATE INDEX undelivered_mail_to_try_again ON projection.undelivered_mail (next_attempt_at)
    WHERE next_attempt_at IS NOT NULL;
COMMENT ON COLUMN projection.undelivered_mail.next_attempt_at IS 'Without it, the mail was refused for good.';

GRANT SELECT, INSERT, UPDATE, DELETE ON projection.undelivered_mail TO reprise_projector;
GRANT SELECT ON projection.undelivered_mail TO reprise_app;
