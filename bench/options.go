package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
)

// The options of a run.
type options struct {
	quick       bool
	rounds      int
	seconds     float64
	concurrency int
	share       float64
	lag         int
	order       order
	batch       int
	batchConns  int
	out         string
	only        *regexp.Regexp
	server      string
	place       place
	extras      extras

	serveArguments []string
}

// A place is where the events are kept.
type place struct {
	store    storeKind
	database string // a PostgreSQL that is there already; empty: one is started
	nodes    int
}

type storeKind string

const (
	sqliteStore   storeKind = "sqlite"
	postgresStore storeKind = "postgres"
)

// The extras are scenarios of their own; when one is asked for the comparison is left out.
type extras struct {
	history   int64
	restart   bool
	isolation bool
	lists     bool
	pages     bool // of the console
	hostile   bool
	number    int64  // of deliveries that lists are measured with
	keep      string // where their store is kept; empty: it is not
}

const usageText = `Bench measures how fast hookswitch delivers on this machine, against two limits measured in the same run:

  raw    a client that only signs and POSTs to the sink (raw-lean: the same without net/http)
  relay  a handler that accepts the same request, signs and POSTs it on, and stores nothing
         (relay answers at once and POSTs from a pool; relay-waits answers when the sink has; the faster one counts)

Generator, target and sink are processes of their own. Each trial ends when every acknowledged event has arrived and its
outcome is recorded; deliveries per second count from the first request to the last arrival. See README.md beside this program.

Usage:
  go run ./bench                    compare; less than 6 minutes
  go run ./bench -quick             a rough answer in half a minute
  go run ./bench -history 2000000   is it as fast after so many deliveries? how large are they? some minutes
  go run ./bench -restart           how soon after kill -9 and restart does old work arrive?
  go run ./bench -isolation         does a receiver that hangs slow down a healthy one?
  go run ./bench -lists             are all lists and searches quick on 5,000,000 deliveries? some minutes
  go run ./bench -pages             and all pages of the console? some minutes
  go run ./bench -hostile           do good callers notice hostile ones, and does the server stay within its memory? less than 5 minutes

The same on PostgreSQL, with what it cost per delivery. One is started from the installed programs, with a commit that waits for
the disk, and deleted afterwards; each trial has a database of its own.
  go run ./bench -store postgres                    one node, three nodes, batches, latency; less than 3 minutes
  go run ./bench -store postgres -quick             a rough answer in half a minute
  go run ./bench -store postgres -nodes 5           five nodes in every row
  go run ./bench -store postgres -history 2000000   the growth: first tenth and last, size by table and index
  go run ./bench -store postgres -database 'postgres://bench@db.example/postgres'
                                                    on a PostgreSQL that runs; the user may create databases

Flags:
`

var errUsage = errors.New("wrong usage")

func parseOptions(arguments []string, printed io.Writer) (options, error) {
	var o options
	var ids, only, serve string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(printed)
	f.Usage = func() {
		_, _ = io.WriteString(printed, usageText) // as flag does with its own part of the text
		f.PrintDefaults()
	}
	f.BoolVar(&o.quick, "quick", false, "one short round of the rows that matter most")
	f.IntVar(&o.rounds, "rounds", 3, "how often everything is measured; the table shows medians")
	f.Float64Var(&o.seconds, "seconds", 3, "how long each trial sends")
	f.IntVar(&o.concurrency, "concurrency", 256, "the webhook's concurrency where there is one webhook, and the relay's")
	f.Float64Var(&o.share, "stops", 0.5, "the share of events that stop an interaction (FINISHED); the others create one (STARTED)")
	f.IntVar(&o.lag, "lag", 1024, "how many interactions lie between a create and its stop, at least")
	f.StringVar(&ids, "ids", string(scattered), "ids of interactions: v4 (random, as callers choose them) or v7 (ordered by time)")
	f.IntVar(&o.batch, "batch", 100, "changes in one batch call")
	f.IntVar(&o.batchConns, "batch-conns", 8, "connections that send batch calls")
	f.StringVar(&o.out, "out", "bench/results", "the `folder` for raw results, one file of JSON lines for each run")
	f.StringVar(&only, "only", "", "measure only the rows whose name matches this `expression`")
	f.StringVar(&o.server, "server", "", "measure this hookswitch `binary` instead of building one")
	f.StringVar(&serve, "serve", "", "more `arguments` for hookswitch serve, separated by spaces")
	f.StringVar((*string)(&o.place.store), "store", string(sqliteStore), "where events are kept: sqlite or postgres")
	f.IntVar(&o.place.nodes, "nodes", 1, "server processes on one PostgreSQL; the connections are spread over them")
	f.StringVar(&o.place.database, "database", "", "the `URL` of a PostgreSQL to make databases in, instead of starting one; they are dropped afterwards")
	f.Int64Var(&o.extras.history, "history", 0, "make this many `deliveries` in one store, and compare its first tenth with its last, and it with an empty one")
	f.BoolVar(&o.extras.lists, "lists", false, "measure every list and search of the API on a store of -n deliveries, beside their limit")
	f.BoolVar(&o.extras.pages, "pages", false, "measure every page of the console on such a store, beside their limit")
	f.Int64Var(&o.extras.number, "n", listsNumber, "with -lists and -pages: about how many `deliveries` are in the store")
	f.StringVar(&o.extras.keep, "keep", "", "with -lists and -pages: make the store in this SQLite `file`, or use the one that is there; on a PostgreSQL given with -database: any text")
	f.BoolVar(&o.extras.restart, "restart", false, "kill hookswitch under load and restart it")
	f.BoolVar(&o.extras.isolation, "isolation", false, "measure a healthy webhook with and without a hanging one beside it")
	f.BoolVar(&o.extras.hostile, "hostile", false, "measure good callers beside hostile ones of each kind; -only picks kinds")
	if err := f.Parse(arguments); err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	o.serveArguments = strings.Fields(serve)
	if o.quick {
		o.rounds, o.seconds = 1, 1.5
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, fmt.Errorf("%w: -only: %w", errUsage, err)
	}
	o.order = order(ids)
	return o, o.validate(f.Args())
}

func (o options) validate(rest []string) error {
	var problems []error
	demand := func(ok bool, what string) {
		if !ok {
			problems = append(problems, fmt.Errorf("%w: %s", errUsage, what))
		}
	}
	demand(len(rest) == 0, fmt.Sprintf("arguments %q are not understood", rest))
	demand(o.rounds >= 1 && o.rounds <= 100, "-rounds is 1 to 100")
	demand(o.seconds >= 0.1 && o.seconds <= 60, "-seconds is 0.1 to 60")
	demand(o.concurrency >= 1 && o.concurrency <= 1024, "-concurrency is 1 to 1024")
	demand(o.share >= 0 && o.share <= 0.5, "-stops is 0 to 0.5: an interaction is stopped once")
	demand(o.lag >= 0 && o.lag <= 1_000_000, "-lag is 0 to 1000000")
	demand(o.order == scattered || o.order == ascending, "-ids is v4 or v7")
	demand(o.batch >= 1 && o.batch <= 1000, "-batch is 1 to 1000")
	demand(o.batchConns >= 1 && o.batchConns <= 1024, "-batch-conns is 1 to 1024")
	o.place.validate(demand)
	demand(o.extras.history == 0 || o.extras.history >= growthTenths, fmt.Sprintf("-history is at least %d", growthTenths))
	demand(o.extras.history >= 0 && o.extras.history <= ledgerSequencesMax, fmt.Sprintf("-history is at most %d", ledgerSequencesMax))
	o.extras.validate(demand, o.place)
	return errors.Join(problems...)
}

func (x extras) validate(demand func(ok bool, what string), p place) {
	demand(x.number >= listsNumberLeast && x.number <= listsNumberMost, fmt.Sprintf("-n is %d to %d", listsNumberLeast, listsNumberMost))
	demand(x.lists || x.pages || x.keep == "", "-keep goes with -lists and -pages")
	demand(x.keep == "" || p.store == sqliteStore || p.database != "", "-keep: a PostgreSQL that is started for the run cannot be kept; name one with -database")
}

func (p place) validate(demand func(ok bool, what string)) {
	demand(p.store == sqliteStore || p.store == postgresStore, "-store is sqlite or postgres")
	demand(p.nodes >= 1 && p.nodes <= nodesMax, fmt.Sprintf("-nodes is 1 to %d", nodesMax))
	if p.store == sqliteStore {
		demand(p.nodes == 1, "-nodes: an SQLite store belongs to one process; several nodes need -store postgres")
		demand(p.database == "", "-database goes with -store postgres")
	}
	if p.database != "" {
		at, err := url.Parse(p.database)
		demand(err == nil && (at.Scheme == "postgres" || at.Scheme == "postgresql") && at.Host != "",
			"-database is a URL such as postgres://user@host:5432/postgres")
	}
}

// hidden returns arguments as they may be shown and kept: without the passwords of URLs.
func hidden(arguments []string) []string {
	out := make([]string, len(arguments))
	for i, argument := range arguments {
		out[i] = passwordText.ReplaceAllString(argument, "${1}${3}xxxxx${2}")
	}
	return out
}

// passwordText finds the password of a PostgreSQL URL: before the @, and as a parameter.
var passwordText = regexp.MustCompile(`(postgres(?:ql)?://[^:/?#\s]*:)[^/?#\s]*(@)|([?&]password=)[^&#\s]*`)
