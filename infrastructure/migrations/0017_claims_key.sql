-- Which key the ids of email claims are made with: with another one, two people could hold one address.

CREATE TABLE keys.claims_key (
    only_one       boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    fingerprint    text COLLATE "C" NOT NULL,
    since          timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE keys.claims_key IS 'The fingerprint of the claims key in force; a process that has another one refuses to start.';

GRANT SELECT, INSERT ON keys.claims_key TO reprise_app;
