package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// columnKind is the type of a column on PostgreSQL. A copy carries values in the binary format of that type, whatever the
// engines are between which they go, so that sums over them can be compared.
type columnKind int

const (
	smallColumn columnKind = iota + 1
	integerColumn
	bigColumn
	textColumn
	bytesColumn
	uuidColumn
)

// columnKinds names the kinds in the descriptions of tables.
func columnKinds() map[string]columnKind {
	return map[string]columnKind{
		"small": smallColumn, "integer": integerColumn, "big": bigColumn, "text": textColumn, "bytes": bytesColumn, "uuid": uuidColumn,
	}
}

// numberBytes is the size of a number of this kind; zero for all that is no number.
func (k columnKind) numberBytes() int {
	switch k {
	case smallColumn:
		return 2
	case integerColumn:
		return 4
	case bigColumn:
		return 8
	default:
		return 0
	}
}

// copyTable describes a table for copies: once, for both engines.
type copyTable struct {
	name    string
	columns []string
	kinds   []columnKind
	// key are the columns that tell one row from another; rows are copied in its order.
	key []string
}

// copyTables are the tables that make a store, in the order in which they are copied. Nodes are those of one database alone,
// and compatibility is the schema's own. A test compares the columns with those of both databases.
func copyTables() []*copyTable {
	return []*copyTable{
		describe("contact_centers", "number", "number:integer id:text name:text created_at:big settings:text updated_at:big"),
		describe("api_keys", "id", `id:uuid center:integer name:text hash:bytes created_at:big
			permissions:text enabled:small expires_at:big used_at:big updated_at:big`),
		describe("webhooks", "center number", `center:integer number:integer id:uuid settings:text unsealed:text sealed:bytes sealed_with:big enabled:small
			created_at:big updated_at:big deleted_at:big open_since:big probe_at:big probe_wait:big
			disabled_at:big disabled_for:small`),
		describe("interactions", "center serial", `center:integer serial:big id:uuid session_id:uuid media:small subtype:small state:small
			queue:text agent:text content:text created_at:big submitted_at:big started_event:big accepted_at:big
			stopped_at:big stopped_by:small stop_reason:text finished_event:big`),
		describe("events", "center serial", "center:integer serial:big interaction:big kind:small operation_id:uuid occurred_at:big payload:bytes trace:bytes"),
		describe("deliveries", "center event webhook", `center:integer event:big webhook:integer state:small due_at:big lease:big
			waits_for:big followed:small attempts:integer base:integer`),
		describe("attempts", "center event webhook number", `center:integer event:big webhook:integer number:integer
			started_at:big duration_us:big status:small failure:small error:text response:bytes
			dns_us:integer connect_us:integer tls_us:integer first_byte_us:integer events:small`),
		describe("answers", "center key", "center:integer key:text fingerprint:bytes status:integer body:bytes at:big sealed_with:big"),
		describe("master_keys", "number", "number:big proof:bytes created_at:big"),
		describe("retention", "center", "center:integer passed:big began_at:big"),
		describe("trims", "center what", "center:integer what:small passed:big began_at:big"),
		describe("notice_marks", "center kind webhook", "center:integer kind:small webhook:integer last_at:big held_back:big"),
		describe("replays", "center id", `center:integer id:uuid webhook:integer filter:text rate:integer dry_run:small state:small actor:text
			created_at:big updated_at:big finished_at:big due_at:big passed:big matched:big replayed:big skipped:big`),
		describe("audit", "center serial", "center:integer serial:big at:big actor:text action:text subject:text before:text after:text"),
		describe("activity", "center webhook at process", `center:integer webhook:integer at:big process:big accepted:big acknowledged:big failed:big exhausted:big
			delays:bytes`),
		describe("catalogue", "version", "version:big circuits:big"),
	}
}

// describe reads a description; one that makes no sense is a mistake in this file.
func describe(name, key, columns string) *copyTable {
	t := &copyTable{name: name, key: strings.Fields(key)}
	for _, column := range strings.Fields(columns) {
		name, kind, _ := strings.Cut(column, ":")
		if columnKinds()[kind] == 0 {
			panic(fmt.Sprintf("store: column %s of table %s has no kind", column, t.name))
		}
		t.columns, t.kinds = append(t.columns, name), append(t.kinds, columnKinds()[kind])
	}
	return t
}

// column returns the place of a column, which must be there.
func (t *copyTable) column(name string) int {
	for i, c := range t.columns {
		if c == name {
			return i
		}
	}
	panic(fmt.Sprintf("store: table %s has no column %s", t.name, name))
}

// selectAll reads the table in the order of its key. Texts are ordered by their bytes on both engines: on PostgreSQL that is
// the collation "C".
func (t *copyTable) selectAll(postgres bool) statement {
	order := make([]string, len(t.key))
	for i, name := range t.key {
		order[i] = name
		if postgres && t.kinds[t.column(name)] == textColumn {
			order[i] += ` COLLATE "C"`
		}
	}
	return statement("SELECT " + strings.Join(t.columns, ", ") + " FROM " + t.name + " ORDER BY " + strings.Join(order, ", "))
}

// copyRow is one row: a value for each column, in PostgreSQL's binary format. It is valid until the next one.
type copyRow [][]byte

const (
	// copyBatchRowsMax and copyBatchBytesMax bound what is copied in one transaction, and what is kept in memory for it.
	copyBatchRowsMax  = 10_000
	copyBatchBytesMax = 4 << 20
)

// copyBatch is rows one behind the other, each as the binary format of PostgreSQL's COPY has it: the number of its values,
// then of each value its size and its bytes (PostgreSQL, "COPY", section "Binary Format").
type copyBatch struct {
	rows  int
	bytes []byte
}

func (b *copyBatch) full() bool {
	return b.rows >= copyBatchRowsMax || len(b.bytes) >= copyBatchBytesMax
}

func (b *copyBatch) reset() { b.rows, b.bytes = 0, b.bytes[:0] }

func (b *copyBatch) add(r copyRow) {
	b.bytes = binary.BigEndian.AppendUint16(b.bytes, uint16(len(r)))
	for _, value := range r {
		b.bytes = binary.BigEndian.AppendUint32(b.bytes, uint32(len(value)))
		b.bytes = append(b.bytes, value...)
	}
	b.rows++
}

// each gives the rows back, in order.
func (b *copyBatch) each(f func(copyRow) error) error {
	var r copyRow
	for rest := b.bytes; len(rest) > 0; {
		values := binary.BigEndian.Uint16(rest)
		rest, r = rest[2:], r[:0]
		for range values {
			size := binary.BigEndian.Uint32(rest)
			r = append(r, rest[4:4+size])
			rest = rest[4+size:]
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}

// appendNumber appends a number in the format of its kind, unless the kind cannot hold it.
func appendNumber(b []byte, kind columnKind, v int64) ([]byte, error) {
	switch kind {
	case smallColumn:
		if v < math.MinInt16 || v > math.MaxInt16 {
			return b, fmt.Errorf("%d is no number of 2 bytes", v)
		}
		return binary.BigEndian.AppendUint16(b, uint16(v)), nil
	case integerColumn:
		if v < math.MinInt32 || v > math.MaxInt32 {
			return b, fmt.Errorf("%d is no number of 4 bytes", v)
		}
		return binary.BigEndian.AppendUint32(b, uint32(v)), nil
	default:
		return binary.BigEndian.AppendUint64(b, uint64(v)), nil
	}
}

// uuidBytes is the size of a UUID.
const uuidBytes = len(hook.UUID{})
