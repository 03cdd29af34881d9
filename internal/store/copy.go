package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// CopyOptions say what is copied where.
type CopyOptions struct {
	// From and To name databases, as in [Options].
	From, To string
	// Force says that nodes which a PostgreSQL database still lists are dead.
	Force bool
	// Progress, if not nil, is told how far the copy is, after each batch.
	Progress func(CopyProgress)
}

// CopyProgress is how far a copy is in one table.
type CopyProgress struct {
	Table string
	// Verifying is whether what was written is being read again.
	Verifying bool
	// Done and Total are rows.
	Done, Total int64
}

// CopyReport is what a copy did.
type CopyReport struct {
	Tables []CopiedTable
	// Freed is how many deliveries were leased in the source. In the destination they are due.
	Freed int64
	// Replaced is how many texts held what PostgreSQL cannot hold, NUL or broken UTF-8; U+FFFD stands for it now.
	Replaced int64
	Took     time.Duration
}

// Rows is how many rows were copied.
func (r *CopyReport) Rows() (n int64) {
	for _, t := range r.Tables {
		n += t.Copied
	}
	return n
}

// CopiedTable is one table of a copy: what was counted, and the sums over all values in the order of the table's key.
type CopiedTable struct {
	Name string
	// Source and Destination were counted by the databases and by reading again; Copied are the rows that were written.
	Source, Copied, Destination int64
	// Written is the SHA-256 of all that was written, Found that of what was found in the destination.
	Written, Found [sha256.Size]byte
}

// Same is whether the destination holds what the source held.
func (t *CopiedTable) Same() bool {
	return t.Source == t.Copied && t.Copied == t.Destination && t.Written == t.Found
}

var (
	// ErrDiffers means that a copy was read again and is not what was written.
	ErrDiffers = errors.New("the copy differs from its source")
	// ErrInterrupted means that a copy ended before its end.
	ErrInterrupted = errors.New("interrupted")
)

// Copy copies a whole store into an empty database, which is made and migrated first. Nobody may use either meanwhile. What is
// leased in the source is due in the destination. Until the last check is passed the destination is marked as incomplete, and
// no server uses it. The report is complete also with [ErrDiffers].
func Copy(ctx context.Context, o CopyOptions) (_ *CopyReport, err error) {
	from, err := openUnused(ctx, o.From, o.Force)
	if err != nil {
		return nil, fmt.Errorf("use the source: %w", err)
	}
	defer func() { err = errors.Join(err, from.close()) }()
	to, err := openMigrated(ctx, o.To, func(s *copySide) error { return s.checkDestination(ctx) })
	if err != nil {
		return nil, fmt.Errorf("use the destination: %w", err)
	}
	defer func() { err = errors.Join(err, to.close()) }()
	c := &copier{from: from, to: to, now: time.Now(), progress: o.Progress, force: o.Force}
	report, err := c.run(ctx)
	if err != nil && c.claimed {
		err = fmt.Errorf("%w; %s is incomplete now, and no server will use it: to copy again, empty it first (%s)", err, to.shown, to.emptying)
	}
	return report, err
}

// openUnused opens the source of a copy, begins to read it and keeps servers away from it.
func openUnused(ctx context.Context, database string, force bool) (s *copySide, err error) {
	var first []statement
	if IsPostgres(database) {
		first = append(first, lockNodes)
		s, err = openPostgresSide(ctx, database)
	} else if err = checkExists(sqlitePath(database)); err == nil {
		s, err = lockedSQLiteSide(ctx, sqlitePath(database), sqliteReading()...)
	}
	if err != nil {
		return nil, err
	}
	if err = s.checkSource(ctx); err == nil {
		err = s.begin(ctx, first...)
	}
	if err == nil {
		err = s.checkUnused(ctx, force)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// checkDestination refuses a database that cannot be copied into, before anything is written to it.
func (s *copySide) checkDestination(ctx context.Context) error {
	found, err := s.schema(ctx)
	if err != nil {
		return err
	}
	if found.Oldest == incompleteCopy {
		return &hook.ConflictError{Verb: "copy to " + s.shown, State: "incomplete", Detail: "an earlier copy into it was not finished, or is going on; " +
			"name an empty database, or empty this one: " + s.emptying}
	}
	if err := found.Usable(); err != nil || found.Version == 0 {
		return err
	}
	if found.Version > found.Newest {
		return &hook.ConflictError{Verb: "copy to " + s.shown, State: "newer", Detail: fmt.Sprintf(
			"its schema has version %d, and this program knows up to %d; use the newer release", found.Version, found.Newest)}
	}
	return s.checkEmpty(ctx) // before it is migrated: it may be somebody's
}

// copier copies from one side to the other.
type copier struct {
	from, to *copySide
	now      time.Time
	progress func(CopyProgress)
	force    bool
	// claimed is whether the destination was marked as incomplete.
	claimed bool
	report  CopyReport
	batch   copyBatch
	due     []byte // now, as a row holds it
}

func (c *copier) run(ctx context.Context) (*CopyReport, error) {
	oldest, err := c.claim(ctx)
	if err != nil {
		return nil, fmt.Errorf("use the destination: %w", err)
	}
	began := time.Now()
	c.claimed = true
	if err = c.copyAll(ctx); err == nil {
		err = c.verify(ctx)
	}
	if err == nil {
		err = c.complete(ctx, oldest)
	}
	if err != nil && ctx.Err() != nil {
		err = ErrInterrupted
	}
	c.report.Took = time.Since(began)
	return &c.report, err
}

// claim marks the destination as incomplete, once it is sure that it is empty and nobody's.
func (c *copier) claim(ctx context.Context) (oldest int64, err error) {
	if err := c.to.checkEmpty(ctx); err != nil {
		return 0, err
	}
	if oldest, err = c.to.number(ctx, "SELECT oldest FROM compatibility"); err != nil {
		return 0, err
	}
	marked, err := c.to.number(ctx, markIncomplete)
	switch {
	case err != nil:
		return 0, err
	case marked != incompleteCopy:
		return 0, &hook.ConflictError{Verb: "copy to " + c.to.shown, State: "in use", Detail: "another copy into it has just begun"}
	}
	err = c.to.checkUnused(ctx, c.force)
	if err == nil {
		err = c.to.run(ctx, clearCatalogue)
	}
	if err != nil {
		return 0, errors.Join(err, c.to.run(ctx, markComplete(oldest)))
	}
	return oldest, nil
}

// copyAll writes every table.
func (c *copier) copyAll(ctx context.Context) error {
	c.due = binary.BigEndian.AppendUint64(nil, uint64(milli(c.now)))
	for _, t := range copyTables() {
		copied := CopiedTable{Name: t.name}
		var err error
		if copied.Source, err = c.from.number(ctx, statement("SELECT count(*) FROM "+t.name)); err != nil {
			return fmt.Errorf("count %s: %w", t.name, err)
		}
		copied.Copied, copied.Written, err = c.stream(ctx, c.from, t, CopyProgress{Table: t.name, Total: copied.Source}, c.adapt(t), func() error {
			return c.to.insert(ctx, t, &c.batch)
		})
		if err != nil {
			return fmt.Errorf("copy %s: %w", t.name, err)
		}
		c.report.Tables = append(c.report.Tables, copied)
	}
	return nil
}

// stream reads a table in batches, in the order of its key, and returns how many rows there were and the sum over them.
func (c *copier) stream(ctx context.Context, side *copySide, t *copyTable, at CopyProgress, adapt func(copyRow), flush func() error) (rows int64, sum [sha256.Size]byte, err error) {
	if at.Total > 0 && c.progress != nil {
		c.progress(at) // from here its rate is reckoned
	}
	hash := sha256.New()
	c.batch.reset()
	next := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		hash.Write(c.batch.bytes) // never fails: see hash.Hash
		if c.batch.rows > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		at.Done += int64(c.batch.rows)
		if c.progress != nil {
			c.progress(at)
		}
		c.batch.reset()
		return nil
	}
	err = side.rows(ctx, t.selectAll(side.postgres), t.kinds, func(r copyRow) error {
		adapt(r)
		c.batch.add(r)
		if c.batch.full() {
			return next()
		}
		return nil
	})
	if err == nil {
		err = next()
	}
	hash.Sum(sum[:0])
	return at.Done, sum, err
}

// adapt returns what is changed in the rows of a table on their way: a lease ends, because its holder does not know the
// destination; and a text may hold what PostgreSQL cannot.
func (c *copier) adapt(t *copyTable) func(copyRow) {
	var texts []int
	for i, kind := range t.kinds {
		if kind == textColumn && c.to.postgres && !c.from.postgres {
			texts = append(texts, i)
		}
	}
	free := func(copyRow) {}
	if t.name == "deliveries" {
		free = c.free(t.column("lease"), t.column("due_at"))
	}
	return func(r copyRow) {
		free(r)
		for _, i := range texts {
			if !utf8.Valid(r[i]) || strings.IndexByte(string(r[i]), 0) >= 0 {
				r[i] = []byte(storable(string(r[i])))
				c.report.Replaced++
			}
		}
	}
}

// free returns what ends the lease of a delivery: it is due now, or was already.
func (c *copier) free(lease, due int) func(copyRow) {
	none := make([]byte, bigColumn.numberBytes())
	return func(r copyRow) {
		if binary.BigEndian.Uint64(r[lease]) == 0 {
			return
		}
		r[lease] = none
		if int64(binary.BigEndian.Uint64(r[due])) > milli(c.now) {
			r[due] = c.due
		}
		c.report.Freed++
	}
}

// verify reads the destination and compares.
func (c *copier) verify(ctx context.Context) error {
	if err := c.to.begin(ctx); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	same := true
	for i, t := range copyTables() {
		copied := &c.report.Tables[i]
		var err error
		copied.Destination, copied.Found, err = c.stream(ctx, c.to, t, CopyProgress{Table: t.name, Verifying: true, Total: copied.Copied},
			func(copyRow) {}, func() error { return nil })
		if err != nil {
			return fmt.Errorf("verify %s: %w", t.name, err)
		}
		same = same && copied.Same()
	}
	if err := c.to.end(ctx); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if !same {
		return ErrDiffers
	}
	return nil
}

// complete takes the mark away, as a commit that waits for the disk.
func (c *copier) complete(ctx context.Context, oldest int64) error {
	if err := c.to.checkUnused(ctx, c.force); err != nil {
		return err
	}
	if s, ok := c.to.copyEnd.(*sqliteCopy); ok {
		if err := s.conn.run("PRAGMA synchronous = FULL"); err != nil {
			return translate(err)
		}
	}
	if err := c.to.run(ctx, markComplete(oldest)); err != nil {
		return fmt.Errorf("complete: %w", err)
	}
	return nil
}
