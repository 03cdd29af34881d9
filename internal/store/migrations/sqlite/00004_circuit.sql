-- +goose Up
-- A webhook's circuit. While it is closed, all three are 0: when it opened, when the next probe may go out, and the milliseconds
-- from one probe to the next.
ALTER TABLE webhooks ADD COLUMN open_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN probe_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN probe_wait INTEGER NOT NULL DEFAULT 0;

-- Circuits have a version of their own: the same words as on PostgreSQL.
ALTER TABLE catalogue ADD COLUMN circuits INTEGER NOT NULL DEFAULT 1;
