package store

import (
	"errors"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEmptyMax is how long the users of the log are waited for when it is to be emptied. Changes wait as long, and it is tried often.
const sqliteEmptyMax = 10 * time.Millisecond

// overwriter is a task after which what it replaced must not stay readable in the database's files.
type overwriter interface{ overwrites() bool }

func overwrites(t task) bool {
	o, ok := t.(overwriter)
	return ok && o.overwrites()
}

// transactOverwriting has SQLite overwrite with zeros what the transaction replaces (SQLite, "PRAGMA secure_delete"), and the log
// emptied after it, which holds what was there before. Other transactions do without: it makes them write more.
func (e *sqliteEngine) transactOverwriting(tasks []task) error {
	if err := e.writer.run("PRAGMA secure_delete = 1"); err != nil {
		return translate(err)
	}
	err := e.transactUsual(tasks)
	e.stale.Store(true)
	return errors.Join(err, translate(e.writer.run("PRAGMA secure_delete = 0")))
}

// emptyLog cuts the write-ahead log to nothing when it must not stay readable. While somebody reads from it, it is tried again.
func (e *sqliteEngine) emptyLog() error {
	if !e.stale.Load() {
		return nil
	}
	if _, _, err := e.checkpointer.checkpoint("PASSIVE"); err != nil { // most of it without stopping anybody
		return err
	}
	e.stale.Store(false) // before: what is written from here on sets it again
	e.checkpointer.conn.SetBusyTimeout(sqliteEmptyMax)
	defer e.checkpointer.conn.SetBusyTimeout(sqliteBusyMax)
	busy, err := e.checkpointer.truncate()
	if busy || err != nil {
		e.stale.Store(true)
	}
	if sqliteCode(err) == sqlite3.SQLITE_BUSY {
		return nil
	}
	return err
}
