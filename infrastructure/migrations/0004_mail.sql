-- How far the mails that facts call for have been sent. At least once: the mark moves after the mail is handed over.

CREATE TABLE projection.mail_mark (
    only_one       boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    "position"     bigint NOT NULL
);
INSERT INTO projection.mail_mark VALUES (true, 0);
GRANT SELECT, UPDATE ON projection.mail_mark TO reprise_projector;
GRANT SELECT ON projection.mail_mark TO reprise_app;
