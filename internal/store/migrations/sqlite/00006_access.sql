-- +goose Up
-- Programs that knew only the column of the plain secret cannot use this schema: they would sign with nothing.
UPDATE compatibility SET oldest = 6 WHERE oldest < 6;

-- What a webhook has that is secret, sealed under a master key, and the number of that key. What was there before is plain until it
-- is sealed.
ALTER TABLE webhooks RENAME COLUMN secret TO unsealed;
ALTER TABLE webhooks ADD COLUMN sealed BLOB NOT NULL DEFAULT x'';
ALTER TABLE webhooks ADD COLUMN sealed_with INTEGER NOT NULL DEFAULT 0;

-- An answer that shows a secret is sealed, too.
ALTER TABLE answers ADD COLUMN sealed_with INTEGER NOT NULL DEFAULT 0;

-- By these, what is to be sealed under another key is found and counted. Most answers show no secret.
CREATE INDEX webhooks_by_master_key ON webhooks (sealed_with);
CREATE INDEX answers_by_master_key ON answers (sealed_with) WHERE sealed_with > 0;

-- The master keys that something was ever sealed with, each with a text that it sealed: a start with other keys is refused.
CREATE TABLE master_keys (
    number     INTEGER NOT NULL PRIMARY KEY,
    proof      BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

-- What a key may do, and until when.
ALTER TABLE api_keys ADD COLUMN permissions TEXT NOT NULL DEFAULT 'admin';
ALTER TABLE api_keys ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
