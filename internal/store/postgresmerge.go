package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// mergeMin is how many calls of one statement are worth executing as one.
const mergeMin = 3

// merger is a statement made to execute many calls of another one: their arguments are arrays, and the rows that come back
// say which call they are of. It is what a group's round trip consists of: PostgreSQL spends on a row of it a third of what
// it spends on a statement.
type merger struct {
	text statement
	// ordinal is whether a row's first column is the number of its call, from 1; else told is the argument that it is equal
	// to; neither where nothing comes back.
	ordinal bool
	told    int
}

// notTold says that a merger's rows are not told apart by an argument.
const notTold = -1

// The forms of statements that can be merged: one call is one row, and no call depends on another one. A change or a removal
// of rows is none of them: as a join with what is given it could be planned from either side, and PostgreSQL would read the
// open set whole where it was empty when its statistics were made. The rows to be locked are found one by one all the same,
// because a query that locks is not turned into a join.
var (
	insertForm = regexp.MustCompile(`(?s)^(INSERT INTO \w+ \([^)]*\))\s+VALUES \(([^)]*)\)(.*)$`)
	lockForm   = regexp.MustCompile(`(?s)^SELECT (.*) ` + regexp.QuoteMeta(forUpdate) + `$`)
)

// newMerger returns the merger of a statement whose calls have arguments of these types, or nil where it has none.
func newMerger(s statement, types []uint32, counts bool) *merger {
	given := givenRows(types)
	with := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(p string) string { return "given.p" + p[1:] })
	}
	text := strings.Join(strings.Fields(string(s)), " ")
	if strings.Count(text, "SELECT") > strings.Count(text, forUpdate) { // a condition with a query in it
		return nil
	}
	if m := insertForm.FindStringSubmatch(text); m != nil {
		return mergedInsert(m[1], with(m[2]), m[3], given, counts)
	}
	if m := lockForm.FindStringSubmatch(text); m != nil {
		return &merger{ordinal: true, told: notTold, text: statement("SELECT given.n, found.* FROM " + given +
			" CROSS JOIN LATERAL (SELECT " + with(m[1]) + " FOR UPDATE) AS found")}
	}
	return nil
}

// mergedInsert returns the merger of an INSERT. Where the number of rows is asked for, a column must tell them apart.
func mergedInsert(into, values, rest, given string, counts bool) *merger {
	m := &merger{told: notTold}
	tell := tellMark.FindStringSubmatch(rest)
	rest = strings.TrimSuffix(tellMark.ReplaceAllString(rest, ""), " ")
	switch {
	case tell != nil:
		_, columns, _ := strings.Cut(strings.TrimSuffix(into, ")"), "(")
		for i, column := range strings.Split(columns, ", ") {
			if column == tell[1] {
				m.told = i
			}
		}
		rest += " RETURNING " + tell[1]
	case counts || strings.TrimSpace(rest) != "":
		return nil
	}
	m.text = statement(into + " SELECT " + values + " FROM " + given + rest)
	return m
}

// givenRows is the arguments of all calls as rows, in their order.
func givenRows(types []uint32) string {
	arrays, names := make([]string, len(types)), make([]string, len(types))
	for i, oid := range types {
		arrays[i], names[i] = fmt.Sprintf("$%d::%s[]", i+1, typeName(oid)), fmt.Sprintf("p%d", i+1)
	}
	return fmt.Sprintf("unnest(%s) WITH ORDINALITY AS given(%s, n)", strings.Join(arrays, ", "), strings.Join(names, ", "))
}

func typeName(oid uint32) string {
	switch oid {
	case pgtype.TextOID:
		return "text"
	case pgtype.ByteaOID:
		return "bytea"
	case pgtype.UUIDOID:
		return "uuid"
	default:
		return "bigint"
	}
}

func arrayOID(oid uint32) uint32 {
	switch oid {
	case pgtype.TextOID:
		return pgtype.TextArrayOID
	case pgtype.ByteaOID:
		return pgtype.ByteaArrayOID
	case pgtype.UUIDOID:
		return pgtype.UUIDArrayOID
	default:
		return pgtype.Int8ArrayOID
	}
}

// parcel is what is executed at once: one call, or many by a merger.
type parcel struct {
	calls  []*call
	merger *merger
}

func (p *parcel) text() statement {
	if p.merger != nil {
		return p.merger.text
	}
	return p.calls[0].text
}

// pack puts what was queued into parcels. A parcel comes where the first of its calls would.
func (b *postgresBatch) pack() []parcel {
	if len(b.sent) < mergeMin {
		return single(b.sent)
	}
	places := map[statement]int{}
	var parcels []parcel
	for i := range b.sent {
		c := &b.sent[i]
		at, ok := places[c.text]
		if !ok {
			at = len(parcels)
			places[c.text] = at
			parcels = append(parcels, parcel{})
		}
		parcels[at].calls = append(parcels[at].calls, c)
	}
	packed := make([]parcel, 0, len(parcels))
	for _, p := range parcels {
		if len(p.calls) >= mergeMin {
			p.merger = b.mergerOf(p.calls[0])
		}
		if p.merger != nil {
			packed = append(packed, p)
			continue
		}
		for i := range p.calls {
			packed = append(packed, parcel{calls: p.calls[i : i+1]})
		}
	}
	return packed
}

func single(calls []call) []parcel {
	parcels := make([]parcel, len(calls))
	for i := range calls {
		parcels[i].calls = []*call{&calls[i]}
	}
	return parcels
}

// mergerOf returns the merger of a call's statement, which is made once, or nil.
func (b *postgresBatch) mergerOf(c *call) *merger {
	b.shape.mu.RLock()
	known, ok := b.shape.mergers[c.text]
	b.shape.mu.RUnlock()
	if ok {
		return known
	}
	b.encode(c.args)
	m := newMerger(c.text, b.types, c.affected != nil)
	b.shape.mu.Lock()
	defer b.shape.mu.Unlock()
	if b.shape.mergers == nil {
		b.shape.mergers = make(map[statement]*merger)
	}
	b.shape.mergers[c.text] = m
	return m
}

// encodeAll writes the arguments of all calls as one array for each parameter (PostgreSQL, array_send).
func (b *arguments) encodeAll(calls []*call) {
	b.values, b.types, b.space = b.values[:0], b.types[:0], b.space[:0]
	for i := range calls[0].args {
		at := len(b.space)
		oid := oidOf(calls[0].args[i])
		for _, v := range []uint32{1, 0, oid, uint32(len(calls)), 1} { // dimensions, NULLs, type, length, lower bound
			b.space = binary.BigEndian.AppendUint32(b.space, v)
		}
		for _, c := range calls {
			begin := len(b.space)
			b.space = append(b.space, 0, 0, 0, 0)
			b.space = appendArgument(b.space, c.args[i])
			binary.BigEndian.PutUint32(b.space[begin:], uint32(len(b.space)-begin-4))
		}
		b.value(at, arrayOID(oid))
	}
}

// spread gives the rows of a merger's result to the calls that they are of.
func (b *postgresBatch) spread(p *parcel, rows []int64, next int) (index int, err error) {
	column := b.columns[0]
	if p.merger.ordinal {
		n, err := decodeNumber(column)
		if err != nil {
			return 0, err
		}
		index = int(n) - 1
		b.columns = b.columns[1:]
	} else {
		for index = next; index < len(p.calls); index++ { // rows come in the order of the calls
			b.space = appendArgument(b.space[:0], p.calls[index].args[p.merger.told])
			if bytes.Equal(b.space, column) {
				break
			}
		}
	}
	if index < 0 || index >= len(p.calls) {
		return 0, fmt.Errorf("a row is of no call of %q", p.calls[0].text)
	}
	rows[index]++
	return index, nil
}
