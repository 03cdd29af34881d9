-- +goose Up
-- How far the interactions of a contact centre were looked at for those that have passed their retention.
CREATE TABLE retention (
    center   INTEGER PRIMARY KEY,
    passed   INTEGER NOT NULL, -- the serial of the last one that was looked at
    began_at INTEGER NOT NULL  -- when the walk began at the first one
);
