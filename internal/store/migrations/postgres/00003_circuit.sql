-- +goose Up
-- A webhook's circuit, one for all nodes. While it is closed, all three are 0.
ALTER TABLE webhooks
    ADD COLUMN open_since BIGINT NOT NULL DEFAULT 0, -- when it opened
    ADD COLUMN probe_at   BIGINT NOT NULL DEFAULT 0, -- when the next probe may go out
    ADD COLUMN probe_wait BIGINT NOT NULL DEFAULT 0; -- the milliseconds from one probe to the next

-- Circuits are kept in memory, as the catalogue is, and have a version of their own: reading them anew is little work.
ALTER TABLE catalogue ADD COLUMN circuits BIGINT NOT NULL DEFAULT 1;
