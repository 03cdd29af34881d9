-- +goose Up
-- How far the interactions of a contact centre were looked at for those that have passed their retention. Whoever removes some
-- holds the row: one node at a time.
CREATE TABLE retention (
    passed   BIGINT  NOT NULL, -- the serial of the last one that was looked at
    began_at BIGINT  NOT NULL, -- when the walk began at the first one
    center   INTEGER PRIMARY KEY
);

-- By default a fifth of a table is dead before autovacuum makes room of it. Of a table that holds 90 days those are 18, and it
-- grows by as much: by 16 % over 8 turns of 5 % each, where a factor of 0.02 kept it within 1 %. An interaction leaves two dead
-- rows in its life, one when it is stopped, in a table with four indexes that each vacuum reads: so that one is vacuumed as often.
ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE attempts SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE interactions SET (autovacuum_vacuum_scale_factor = 0.04);
