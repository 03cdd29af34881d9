package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// postgresPreparedMax bounds a connection's prepared statements; lists with many filters make many.
const postgresPreparedMax = 256

// postgresMarks says what the marks in a statement mean here.
var postgresMarks = strings.NewReplacer(forUpdate, "FOR UPDATE", skipLocked, "FOR UPDATE SKIP LOCKED")

func markedForPostgres(s statement) string {
	return tellMark.ReplaceAllString(placeMark.ReplaceAllStringFunc(postgresMarks.Replace(string(s)), placeOnPostgres), "")
}

// binary is the format of every parameter and column (PostgreSQL, "Message Flow: Extended Query").
var binaryFormat = []int16{pgtype.BinaryFormatCode}

// postgresShape is what a node has learnt of the way to its database.
type postgresShape struct {
	// unprepared is true when a pooler before the database loses prepared statements from one transaction to the next.
	unprepared atomic.Bool

	mu sync.RWMutex // guards mergers
	// mergers are those of the statements that groups consist of; nil where there is none.
	mergers map[statement]*merger
}

// The conditions after which a transaction is begun anew (PostgreSQL, appendix A, "PostgreSQL Error Codes").
const (
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
	pgNoSuchStatement      = "26000"
	pgDuplicateStatement   = "42P05"
)

// brokenOff reports whether a transaction was ended for the sake of another one: nothing of it was committed.
func brokenOff(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == pgSerializationFailure || e.Code == pgDeadlockDetected)
}

// lostError says that a connection was lost before the commit was sent: nothing was committed.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

// connectionLost reports whether an error is that of a connection that broke or was ended, and not one of a statement or a
// task.
func connectionLost(err error) bool {
	var said *pgconn.PgError
	var own *taskError
	if errors.As(err, &said) {
		return said.Code == pgTerminated || said.Code == pgIdleTimeout
	}
	return err != nil && !errors.As(err, &own)
}

// again reports whether a transaction that failed is worth beginning anew in another way: nothing of it was committed.
func (s *postgresShape) again(err error, log *slog.Logger) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case pgNoSuchStatement, pgDuplicateStatement:
		if s.unprepared.CompareAndSwap(false, true) {
			log.Info("there is a pooler before the database that does not keep prepared statements; going on without them")
		}
		return true
	default:
		return false
	}
}

// postgresConn is what is kept with a connection.
type postgresConn struct {
	prepared map[statement]*pgconn.StatementDescription
}

// connKey is where a connection keeps it.
const connKey = "hookswitch"

func connOf(c *pgconn.PgConn) *postgresConn {
	if kept, ok := c.CustomData()[connKey].(*postgresConn); ok {
		return kept
	}
	kept := &postgresConn{prepared: make(map[statement]*pgconn.StatementDescription)}
	c.CustomData()[connKey] = kept
	return kept
}

// call is a statement that is to be executed, and who gets what comes of it.
type call struct {
	place    uint64
	text     statement
	args     []any
	affected func(int64)
	each     func(row) error
}

// reply is what is expected for one thing that was sent: for a statement that is being prepared, or for a parcel.
type reply struct {
	prepares statement
	parcel   *parcel
}

// postgresBatch keeps statements until it is flushed.
type postgresBatch struct {
	conn     *pgconn.PgConn
	kept     *postgresConn
	shape    *postgresShape
	pipeline *pgconn.Pipeline

	// place is where the next calls are in the order of locks; placed is whether any has a place.
	place  uint64
	placed bool
	queued []call
	// committed is whether the commit is among what was queued.
	committed bool
	// sent are the calls of the flush that is going on, and expected what is expected for them.
	sent     []call
	expected []reply
	// preparing are the statements that were sent to be prepared since the last flush.
	preparing map[statement]string
	arguments
	// columns are those of the current row, for row.
	columns [][]byte
	row     row
}

// arguments are those of one statement, until they are written to the connection.
type arguments struct {
	values [][]byte
	types  []uint32
	space  []byte // where the values are
}

func newPostgresBatch(ctx context.Context, c *pgconn.PgConn, shape *postgresShape) *postgresBatch {
	b := &postgresBatch{conn: c, kept: connOf(c), shape: shape, pipeline: c.StartPipeline(ctx)}
	b.row = func(dest ...any) error { return scanPostgres(b.columns, dest) }
	return b
}

func (b *postgresBatch) at(place uint64) {
	b.place = place
	b.placed = b.placed || place != 0
}

// commit queues the commit, behind everything else.
func (b *postgresBatch) commit() {
	b.place, b.committed = math.MaxUint64, true
	b.query(commitWork, nil)
}

func (b *postgresBatch) exec(s statement, affected func(int64), args ...any) {
	b.queued = append(b.queued, call{place: b.place, text: s, args: args, affected: affected})
}

func (b *postgresBatch) query(s statement, each func(row) error, args ...any) {
	b.queued = append(b.queued, call{place: b.place, text: s, args: args, each: each})
}

func (b *postgresBatch) lock(center hook.ContactCenterNumber, text string) {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(text)) // never fails: see hash.Hash
	b.at(max(sum.Sum64(), 1))      // what the task queues next comes after the lock
	b.query(lockText, nil, int64(center), text)
}

// send writes a statement to the connection's buffer, to be prepared first when this connection has not seen it yet. What a
// pooler has lost is not asked for again.
func (b *postgresBatch) send(p *parcel) {
	s := p.text()
	if p.merger != nil {
		b.encodeAll(p.calls)
	} else {
		b.encode(p.calls[0].args)
	}
	defer func() { b.expected = append(b.expected, reply{parcel: p}) }()
	unprepared := b.shape.unprepared.Load()
	if known, ok := b.kept.prepared[s]; ok && !unprepared {
		b.pipeline.SendQueryStatement(known, b.values, binaryFormat, binaryFormat)
		return
	}
	name, sent := b.preparing[s]
	switch {
	case !sent && (unprepared || len(b.kept.prepared)+len(b.preparing) >= postgresPreparedMax):
		b.pipeline.SendQueryParams(markedForPostgres(s), b.values, b.types, binaryFormat, binaryFormat)
		return
	case !sent:
		if b.preparing == nil {
			b.preparing = make(map[statement]string)
		}
		name = statementName(s)
		b.preparing[s] = name
		b.pipeline.SendPrepare(name, markedForPostgres(s), slices.Clone(b.types))
		b.expected = append(b.expected, reply{prepares: s})
	}
	b.pipeline.SendQueryPrepared(name, b.values, binaryFormat, binaryFormat)
}

// statementName names a statement by its text, so that nodes that share a pooler's sessions mean the same by it.
func statementName(s statement) string {
	sum := sha256.Sum256([]byte(s))
	return "hookswitch_" + hex.EncodeToString(sum[:12])
}

// flush sends everything that is queued and reads what comes of it, and so on with what the functions of the calls queue.
func (b *postgresBatch) flush() error {
	for len(b.queued) > 0 {
		b.sent, b.queued, b.expected = b.queued, b.sent[:0], b.expected[:0]
		if b.placed {
			slices.SortStableFunc(b.sent, func(x, y call) int { return cmp.Compare(x.place, y.place) })
			b.placed = false
		}
		parcels := b.pack()
		for i := range parcels {
			b.send(&parcels[i])
		}
		if err := b.pipeline.Sync(); err != nil {
			return fmt.Errorf("send statements: %w", err)
		}
		for i := range b.expected {
			if err := b.receive(&b.expected[i]); err != nil {
				b.learn(b.expected[i+1:])
				return err
			}
		}
		clear(b.preparing)
		if _, err := b.pipeline.GetResults(); err != nil { // the synchronisation
			return fmt.Errorf("read results: %w", err)
		}
	}
	return nil
}

func (b *postgresBatch) receive(r *reply) error {
	result, err := b.pipeline.GetResults()
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	switch result := result.(type) {
	case *pgconn.StatementDescription:
		b.know(r.prepares, result)
		return nil
	case *pgconn.ResultReader:
		return b.receiveRows(r.parcel, result)
	default:
		return fmt.Errorf("read results: unexpected %T", result)
	}
}

// know keeps what was prepared.
func (b *postgresBatch) know(s statement, prepared *pgconn.StatementDescription) {
	prepared.Name = b.preparing[s]
	b.kept.prepared[s] = prepared
}

// learn reads what is left after the error of a task, for what was prepared: the server keeps that when the transaction is
// rolled back, and refuses to prepare it again, as it does behind a pooler. After an error of the server nothing is left.
func (b *postgresBatch) learn(left []reply) {
	for i := range left {
		result, err := b.pipeline.GetResults()
		if err != nil {
			return
		}
		if prepared, ok := result.(*pgconn.StatementDescription); ok {
			b.know(left[i].prepares, prepared)
		}
	}
}

func (b *postgresBatch) receiveRows(p *parcel, result *pgconn.ResultReader) error {
	rows := make([]int64, len(p.calls)) // of each call
	var places map[string]int
	if p.merger != nil {
		places = placesOf(p)
	}
	for result.NextRow() {
		b.columns = result.Values()
		index := 0
		if p.merger != nil {
			var err error
			if index, err = b.calledFor(p, places); err != nil {
				return err
			}
			rows[index]++
		}
		if each := p.calls[index].each; each != nil {
			if err := each(b.row); err != nil {
				return &taskError{err}
			}
		}
	}
	tag, err := result.Close()
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	if p.merger == nil {
		rows[0] = tag.RowsAffected()
	}
	for i, c := range p.calls {
		if c.affected != nil {
			c.affected(rows[i])
		}
	}
	return nil
}

// end leaves the connection fit for its next user: a transaction that failed is rolled back.
func (b *postgresBatch) end(ctx context.Context, err error) error {
	closed := b.pipeline.Close() // reads what is left
	if err == nil {
		return closed
	}
	if !b.conn.IsClosed() && b.conn.TxStatus() != 'I' {
		if _, rolled := b.conn.Exec(ctx, "ROLLBACK").ReadAll(); rolled != nil {
			return errors.Join(err, rolled)
		}
	}
	return err
}

// taskError is an error of a task's own function, not of the database.
type taskError struct{ error }

func (e *taskError) Unwrap() error { return e.error }

// encode writes the arguments in PostgreSQL's binary formats and notes their types.
func (b *arguments) encode(args []any) {
	b.values, b.types, b.space = b.values[:0], b.types[:0], b.space[:0]
	for _, arg := range args {
		at := len(b.space)
		b.space = appendArgument(b.space, arg)
		b.value(at, oidOf(arg))
	}
}

// appendArgument appends an argument in PostgreSQL's binary format.
func appendArgument(to []byte, arg any) []byte {
	switch v := arg.(type) {
	case int64:
		return binary.BigEndian.AppendUint64(to, uint64(v))
	case int:
		return binary.BigEndian.AppendUint64(to, uint64(v))
	case string:
		return append(to, storable(v)...)
	case []byte:
		return append(to, v...)
	case hook.Serial:
		return binary.BigEndian.AppendUint64(to, uint64(v))
	case hook.WebhookNumber:
		return binary.BigEndian.AppendUint64(to, uint64(v))
	case hook.ContactCenterNumber:
		return binary.BigEndian.AppendUint64(to, uint64(v))
	case hook.UUID:
		return append(to, v[:]...)
	default:
		panic(fmt.Sprintf("store: argument of type %T", v))
	}
}

func oidOf(arg any) uint32 {
	switch arg.(type) {
	case string:
		return pgtype.TextOID
	case []byte:
		return pgtype.ByteaOID
	case hook.UUID:
		return pgtype.UUIDOID
	default:
		return pgtype.Int8OID
	}
}

// value adds what was written to space since at. It is never nil, which would be NULL.
func (b *arguments) value(at int, oid uint32) {
	v := b.space[at:len(b.space):len(b.space)]
	if v == nil {
		v = []byte{}
	}
	b.values, b.types = append(b.values, v), append(b.types, oid)
}

// storable returns a text that PostgreSQL can hold: UTF-8 without NUL (PostgreSQL, "Character Types").
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// scanPostgres gives the columns of a row to pointers. NULL is the zero value.
func scanPostgres(columns [][]byte, dest []any) error {
	if len(columns) != len(dest) {
		return fmt.Errorf("scan: %d columns for %d values", len(columns), len(dest))
	}
	for i, d := range dest {
		column := columns[i]
		switch d := d.(type) {
		case *string:
			*d = string(column)
		case *[]byte:
			*d = slices.Clone(column)
		case *hook.UUID:
			if copy(d[:], column) != len(d) || len(column) != len(d) {
				return fmt.Errorf("scan: column %d has %d bytes, which are no UUID", i+1, len(column))
			}
		default:
			v, err := decodeNumber(column)
			if err != nil {
				return fmt.Errorf("scan: column %d: %w", i+1, err)
			}
			if !assignNumber(d, v) {
				return fmt.Errorf("scan: column %d cannot be given to a %T", i+1, d)
			}
		}
	}
	return nil
}

func decodeNumber(column []byte) (int64, error) {
	switch len(column) {
	case 0: // NULL
		return 0, nil
	case 1:
		return int64(column[0]), nil
	case 2:
		return int64(int16(binary.BigEndian.Uint16(column))), nil
	case 4:
		return int64(int32(binary.BigEndian.Uint32(column))), nil
	case 8:
		return int64(binary.BigEndian.Uint64(column)), nil
	default:
		return 0, fmt.Errorf("%d bytes are no number", len(column))
	}
}

// The classes and conditions of errors that say that the database cannot be used now (PostgreSQL, appendix A): connections,
// resources, an operator's doing, the system; a lock or a statement that took too long; a standby that takes no writes.
var unavailableClasses = []string{"08", "53", "57", "58"}

const (
	pgLockNotAvailable = "55P03"
	pgReadOnly         = "25006"
	pgIdleTimeout      = "25P03"
	pgTerminated       = "57P01"
)

// translatePostgres turns a driver's error into one that callers know. Whatever the server itself did not say is a lost or
// refused connection.
func translatePostgres(err error) error {
	var own *taskError
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.error
	case !errors.As(err, &e), slices.Contains(unavailableClasses, e.Code[:2]), e.Code[:2] == "40",
		e.Code == pgLockNotAvailable, e.Code == pgReadOnly, e.Code == pgIdleTimeout, e.Code == pgNoSuchStatement:
		return fmt.Errorf("%w: %w", hook.ErrUnavailable, err)
	default:
		return err
	}
}
