-- +goose Up
-- What is kept in memory of contact centres, webhooks and keys is as old as the version that was read with it.
CREATE TABLE catalogue (version INTEGER NOT NULL);
INSERT INTO catalogue (version) VALUES (1);

-- The oldest schema whose programs may still use this database: a migration that older programs cannot live with raises it.
CREATE TABLE compatibility (oldest INTEGER NOT NULL);
INSERT INTO compatibility (oldest) VALUES (1);

-- An interaction is open until it is stopped: the same words as on PostgreSQL, where they make changes of state cheaper.
DROP INDEX interactions_open;
CREATE INDEX interactions_open ON interactions (center, serial) WHERE stopped_at = 0;
