package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
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
	// ordinal is whether a row's first column is the number of its call, from 1.
	ordinal bool
	// told are the arguments that a row's first columns are equal to, where ordinal is not; none where nothing comes back.
	told []int
}

// The forms of statements that can be merged: one call is one row, and no call depends on another one. A change of rows is
// none of them: as a join with what is given it could be planned from either side, and PostgreSQL would read the open set
// whole where it was empty when its statistics were made. The rows to be locked or removed are found one by one all the
// same: a query that locks is not turned into a join.
var (
	insertForm = regexp.MustCompile(`(?s)^(INSERT INTO \w+ \([^)]*\))\s+VALUES \(([^)]*)\)(.*)$`)
	lockForm   = regexp.MustCompile(`(?s)^SELECT (.*) ` + regexp.QuoteMeta(forUpdate) + `$`)
	deleteForm = regexp.MustCompile(`(?s)^DELETE FROM (\w+) WHERE (.*)$`)
	keyForm    = regexp.MustCompile(`^(\w+) = \$(\d+)$`)
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
		return &merger{ordinal: true, text: statement("SELECT given.n, found.* FROM " + given +
			" CROSS JOIN LATERAL (SELECT " + with(m[1]) + " FOR UPDATE) AS found")}
	}
	if m := deleteForm.FindStringSubmatch(text); m != nil {
		return mergedDelete(m[1], m[2], with(m[2]), given, types)
	}
	return nil
}

// mergedDelete returns the merger of a removal by key. The rows are locked where they are found, and looked at again if that
// took waiting. One that another transaction changed meanwhile, but so that it is still to be removed, has moved to a place
// that the statement cannot see yet: it stays, and its call counts no row.
func mergedDelete(table, condition, found, given string, types []uint32) *merger {
	m := new(merger)
	var columns []string
	for _, part := range strings.Split(condition, " AND ") {
		key := keyForm.FindStringSubmatch(part)
		if key == nil {
			break
		}
		n, _ := strconv.Atoi(key[2]) // the pattern lets digits through alone
		m.told = append(m.told, n-1)
		columns = append(columns, key[1]+"::"+typeName(types[n-1]))
	}
	if len(columns) == 0 {
		return nil
	}
	m.text = statement("DELETE FROM " + table + " WHERE ctid = ANY (ARRAY(SELECT found.place FROM " + given +
		" CROSS JOIN LATERAL (SELECT ctid AS place FROM " + table + " WHERE " + found + " FOR UPDATE) AS found)) RETURNING " + strings.Join(columns, ", "))
	return m
}

// mergedInsert returns the merger of an INSERT. Where the number of rows is asked for, a column must tell them apart.
func mergedInsert(into, values, rest, given string, counts bool) *merger {
	m := new(merger)
	tell := tellMark.FindStringSubmatch(rest)
	rest = strings.TrimSuffix(tellMark.ReplaceAllString(rest, ""), " ")
	switch {
	case tell != nil:
		_, columns, _ := strings.Cut(strings.TrimSuffix(into, ")"), "(")
		for i, column := range strings.Split(columns, ", ") {
			if column == tell[1] {
				m.told = []int{i}
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

// calledFor finds the call that a row of a merger's result is of, and leaves the columns that are for it.
func (b *postgresBatch) calledFor(p *parcel, places map[string]int) (index int, err error) {
	if p.merger.ordinal {
		n, err := decodeNumber(b.columns[0])
		b.columns = b.columns[1:]
		if err != nil || n < 1 || int(n) > len(p.calls) {
			return 0, fmt.Errorf("a row is of no call of %q: %w", p.calls[0].text, err)
		}
		return int(n) - 1, nil
	}
	index, ok := places[string(bytes.Join(b.columns, nil))]
	if !ok {
		return 0, fmt.Errorf("a row is of no call of %q", p.calls[0].text)
	}
	return index, nil
}

// placesOf says which call has which of the arguments that tell rows apart.
func placesOf(p *parcel) map[string]int {
	if len(p.merger.told) == 0 {
		return nil
	}
	places := make(map[string]int, len(p.calls))
	var key []byte
	for i, c := range p.calls {
		key = key[:0]
		for _, n := range p.merger.told {
			key = appendArgument(key, c.args[n])
		}
		if _, ok := places[string(key)]; !ok {
			places[string(key)] = i
		}
	}
	return places
}
