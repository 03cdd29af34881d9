package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The bounds of one request for a page, whatever its filters are. They are what keeps it quick where no index helps: a page may
// have fewer rows than were asked for, or none, and yet a cursor that goes on from where it stopped looking.
const (
	// searchRowsMax is how many entries of each index are looked at, and searchTimeMax how long: what an entry costs depends on
	// where the rows are that belong to it.
	searchRowsMax = 20_000
	searchTimeMax = 20 * time.Millisecond
	// searchRowsFirst is how many are looked at first, whatever that takes, and searchRowsGrowth how many times as many at most
	// after that: most pages are full after the first look. For fewer than searchRowsLeast there is no other look.
	searchRowsFirst  = 1_000
	searchRowsGrowth = 4
	searchRowsLeast  = 250
	// searchEventsMax is up to how many interactions of a session, or pending deliveries of a webhook, are found by an index of
	// their own. Where there are more they are found in the order of the list.
	searchEventsMax = 1_000
	// searchEventsStep is how many of these, and searchRowsStep how many rows of a page, one statement names.
	searchEventsStep = 64
	searchRowsStep   = 50
)

// span is a part of a list, newest first: what comes after one key, down to another one and including it.
type span struct{ after, down position }

// oldest is where every list ends.
func oldest() position { return position{math.MinInt64, math.MinInt32} }

// compare says which of two keys comes first in a list.
func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(q.serial, p.serial), cmp.Compare(q.webhook, p.webhook))
}

// source is an index in the order of a list: what is in the list is found among its entries.
type source struct {
	// table is a table and its alias; the key is serial, or serial and webhook where that is not empty.
	table, alias, serial, webhook string
	// index adds the conditions that every entry of the index fulfils, and filter those that are looked at for each. They ask for
	// what is in other tables by subqueries that give one value, and not by joins: a join could be begun at its other end.
	index, filter func(*selection)
	// repeats is whether a key may have several entries, one after the other.
	repeats bool
}

// key returns the columns of the key, each of them as the format says.
func (s *source) key(format string) string {
	columns := fmt.Sprintf(format, s.alias+"."+s.serial)
	if s.webhook != "" {
		columns += ", " + fmt.Sprintf(format, s.alias+"."+s.webhook)
	}
	return columns
}

func (s *source) selection(what string, center hook.ContactCenterNumber, in span) *selection {
	q := newSelect(statement("SELECT "+what+s.key("%s")+" FROM "+s.table+" "+s.alias), s.alias+".center", center)
	if s.webhook == "" {
		q.where(s.key("%s")+" < %s", in.after.serial)
		q.where(s.key("%s")+" >= %s", in.down.serial)
	} else {
		q.where("("+s.key("%s")+") < (%s, %s)", in.after.serial, in.after.webhook)
		q.where("("+s.key("%s")+") >= (%s, %s)", in.down.serial, in.down.webhook)
	}
	if s.index != nil {
		s.index(q)
	}
	return q
}

// search finds the keys of a page.
type search struct {
	engine  engine
	center  hook.ContactCenterNumber
	sources []source
	in      span
	// only, where it is not nil, are the serials of the only keys that are looked at, in the order of the list.
	only []hook.Serial
}

// run returns so many keys in the order of the list, or fewer, and how far it has looked when there may be others further on.
func (s *search) run(limit int) (keys []position, looked *position, err error) {
	began, rest, rows := time.Now(), s.in, searchRowsFirst
	for seen := 0; rows >= searchRowsLeast; {
		part, more, err := s.next(rest, rows)
		if err != nil {
			return nil, nil, err
		}
		found, err := s.seek(part, limit-len(keys))
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, found...)
		if len(keys) >= limit || !more {
			return keys, nil, nil
		}
		rest.after = part.down
		seen += rows
		rows = min(rows*searchRowsGrowth, affordable(seen, time.Since(began)))
	}
	return keys, &rest.after, nil
}

// affordable returns how many entries more may be looked at when so many took so long.
func affordable(seen int, took time.Duration) int {
	inTime := float64(seen) * (float64(searchTimeMax)/float64(max(took, 1)) - 1)
	return int(min(inTime, float64(searchRowsMax-seen)))
}

// next returns the next part of what is left, in which no source has more entries than so many.
func (s *search) next(rest span, rows int) (part span, more bool, err error) {
	if s.only != nil {
		part, more = s.nextOf(rest)
		return part, more, nil
	}
	part = rest
	for i := range s.sources {
		src := &s.sources[i]
		q := src.selection("", s.center, part)
		err := s.engine.read(q.text("ORDER BY "+src.key("%s DESC")+" LIMIT 1 OFFSET %s", rows-1), func(r row) error {
			key, err := src.scan(r)
			part.down, more = key, true
			return err
		}, q.args...)
		if err != nil {
			return part, false, fmt.Errorf("look ahead: %w", err)
		}
	}
	return part, more, nil
}

// nextOf returns the part of the next few of those that are looked at.
func (s *search) nextOf(rest span) (part span, more bool) {
	s.only = slices.DeleteFunc(s.only, func(serial hook.Serial) bool {
		return serial > rest.after.serial || serial < rest.down.serial
	})
	part = rest
	if len(s.only) > searchEventsStep {
		part.down, more = position{s.only[searchEventsStep-1], math.MinInt32}, true
	}
	return part, more
}

func (s *source) scan(r row) (position, error) {
	var p position
	if s.webhook == "" {
		return p, r(&p.serial)
	}
	return p, r(&p.serial, &p.webhook)
}

// seek returns the first keys of a part, from all sources.
func (s *search) seek(part span, limit int) ([]position, error) {
	var keys []position
	if s.only != nil && len(s.only) == 0 {
		return nil, nil
	}
	for i := range s.sources {
		src := &s.sources[i]
		what := ""
		if src.repeats {
			what = "DISTINCT "
		}
		q := src.selection(what, s.center, part)
		if s.only != nil {
			q.whereIn(src.alias+"."+src.serial, s.only, searchEventsStep)
		}
		if src.filter != nil {
			src.filter(q)
		}
		err := s.engine.read(q.text("ORDER BY "+src.key("%s DESC")+" LIMIT %s", limit), func(r row) error {
			key, err := src.scan(r)
			keys = append(keys, key)
			return err
		}, q.args...)
		if err != nil {
			return nil, fmt.Errorf("look for rows: %w", err)
		}
	}
	slices.SortFunc(keys, position.compare)
	keys = slices.Compact(keys)
	return keys[:min(limit, len(keys))], nil
}

// whereIn adds that a column is one of the first so many serials. The last one is named again where there are fewer, so that there
// is one text.
func (q *selection) whereIn(column string, serials []hook.Serial, step int) {
	args := make([]any, step)
	for i := range args {
		args[i] = serials[min(i, len(serials)-1)]
	}
	q.where(column+" IN (%s"+strings.Repeat(", %s", step-1)+")", args...)
}

// whereKeys adds that a row has one of the keys, of which there are at most searchRowsStep.
func (q *selection) whereKeys(serial, webhook string, keys []position) {
	args := make([]any, 0, 2*searchRowsStep)
	for i := range searchRowsStep {
		k := keys[min(i, len(keys)-1)]
		args = append(args, k.serial, k.webhook)
	}
	q.where("("+serial+", "+webhook+") IN (VALUES (%s, %s)"+strings.Repeat(", (%s, %s)", searchRowsStep-1)+")", args...)
}

// page turns what was found for a page, with one key more than it has rows, into its keys and the cursor of the next one.
func (s *search) page(list listName, p Page) (keys []position, next string, err error) {
	keys, looked, err := s.run(p.limit() + 1)
	switch {
	case err != nil:
		return nil, "", err
	case len(keys) > p.limit():
		keys = keys[:p.limit()]
		return keys, keys[len(keys)-1].cursorOf(list), nil
	case looked != nil:
		return keys, looked.cursorOf(list), nil
	default:
		return keys, "", nil
	}
}

// few returns the serials in the two columns of what a query finds, as lists are sorted, or nil when that is more than
// searchEventsMax rows. The limit is the query's last argument.
func (s *Store) few(text statement, args ...any) ([]hook.Serial, error) {
	list, rows := []hook.Serial{}, 0
	err := s.engine.read(text, func(r row) error {
		var one, other hook.Serial
		err := r(&one, &other)
		list, rows = append(list, one, other), rows+1
		return err
	}, append(args, searchEventsMax+1)...)
	if err != nil || rows > searchEventsMax {
		return nil, err
	}
	return newestFirst(list), nil
}

// newestFirst sorts serials as lists are, each of them once and without those that name nothing.
func newestFirst(serials []hook.Serial) []hook.Serial {
	slices.SortFunc(serials, func(x, y hook.Serial) int { return cmp.Compare(y, x) })
	return slices.DeleteFunc(slices.Compact(serials), func(s hook.Serial) bool { return s == 0 })
}
