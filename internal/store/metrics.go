package store

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// metrics answer an operator's questions about the store; docs/metrics.md says which. Each is kept when something happens,
// after its commit: a scrape makes no statement.
type metrics struct {
	events    map[interaction.Event]prometheus.Counter
	disabled  map[hook.DisabledFor]prometheus.Counter
	created   prometheus.Counter
	replayed  prometheus.Counter
	takenOver prometheus.Counter
	removed   prometheus.Counter
	retained  prometheus.Gauge
	refreshes prometheus.Counter
	groups    groupMetrics
	sealing   sealingMetrics
	// activities are for the console: they are written to the database, and so not registered.
	activities *activities
	// backlogs are for the console, too: what is open is counted while somebody looks.
	backlogs *backlogs
	// checked and skew are for an engine that is shared.
	checked prometheus.Gauge
	skew    prometheus.Gauge
	// list is everything above that is registered.
	list []prometheus.Collector
}

// groupMetrics are about transactions of groups.
type groupMetrics struct {
	took     prometheus.Histogram
	tasks    prometheus.Histogram
	failures map[failureReason]prometheus.Counter
}

// failureReason is why a group could not be committed.
type failureReason string

const (
	reasonFull       failureReason = "full"       // no room on the database's disk
	reasonDisk       failureReason = "disk"       // the disk or the file fails
	reasonBusy       failureReason = "busy"       // somebody else holds locks for too long
	reasonReadOnly   failureReason = "readonly"   // a standby, or a file that may not be written
	reasonResources  failureReason = "resources"  // connections or memory of the database
	reasonConnection failureReason = "connection" // the database does not answer
	reasonOther      failureReason = "other"
)

func failureReasons() []failureReason {
	return []failureReason{reasonFull, reasonDisk, reasonBusy, reasonReadOnly, reasonResources, reasonConnection, reasonOther}
}

func newMetrics() *metrics {
	m := &metrics{
		events: map[interaction.Event]prometheus.Counter{}, disabled: map[hook.DisabledFor]prometheus.Counter{},
		activities: newActivities(), backlogs: newBacklogs(),
		groups: groupMetrics{failures: map[failureReason]prometheus.Counter{}},
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.list = append(m.list, c)
		return c
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hookswitch_events_total", Help: "Events that this node accepted and committed, by kind.",
	}, []string{"event"})
	for _, kind := range kindList() {
		m.events[kind] = events.WithLabelValues(string(kind))
	}
	disabled := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hookswitch_webhooks_disabled_total", Help: "Webhooks that this node has disabled by itself, by reason; not those that somebody disabled.",
	}, []string{"reason"})
	for _, why := range []hook.DisabledFor{hook.DisabledFailing, hook.DisabledGone} {
		m.disabled[why] = disabled.WithLabelValues(why.String())
	}
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hookswitch_commit_failures_total", Help: "Transactions that the database did not take, by reason; their callers repeat them.",
	}, []string{"reason"})
	for _, reason := range failureReasons() {
		m.groups.failures[reason] = failures.WithLabelValues(string(reason))
	}
	m.created = counter("hookswitch_deliveries_created_total", "Deliveries that were committed with their events or notices: one for each webhook that wants one.")
	m.replayed = counter("hookswitch_deliveries_replayed_total", "Deliveries that were made pending again by a replay.")
	m.takenOver = counter("hookswitch_leases_taken_over_total", "Deliveries claimed after somebody's lease on them had ended without an outcome.")
	m.removed = counter("hookswitch_retention_removed_total", "Interactions removed by this node because they had passed their retention.")
	m.refreshes = counter("hookswitch_catalogue_refreshes_total", "How often webhooks, keys and contact centres were read anew because another node changed them.")
	m.retained = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hookswitch_retention_completed_timestamp_seconds",
		Help: "When this node last had nothing more to remove; zero while it has not come so far since its start, or keeps all for ever.",
	})
	m.groups.took = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "hookswitch_commit_duration_seconds", Help: "How long a transaction of a group took, its fsync included.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	})
	m.groups.tasks = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "hookswitch_commit_tasks", Help: "How many callers' tasks shared a transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
	})
	m.sealing = newSealingMetrics(counter)
	m.list = append(m.list, m.sealing.remaining, m.sealing.problem, events, disabled, failures, m.retained, m.groups.took, m.groups.tasks)
	m.checked = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hookswitch_catalogue_checked_timestamp_seconds",
		Help: "When this node last compared what it knows of webhooks, keys and circuits with the database.",
	})
	m.skew = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hookswitch_clock_skew_seconds", Help: "By how much this node's clock and the database's differ for sure; zero is the best.",
	})
	return m
}

// register offers the metrics of an open store.
func (m *metrics) register(r prometheus.Registerer, s *Store) {
	r.MustRegister(m.list...)
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_commit_tasks_waiting", Help: "Tasks that wait to be committed.",
		}, func() float64 { return float64(s.tasksWaiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_store_ready", Help: "1 while the last commit succeeded, or nothing was committed yet; 0 after one that failed.",
		}, s.wellness))
	if s.engine.traits().shared {
		r.MustRegister(m.checked, m.skew)
		return
	}
	path := strings.TrimPrefix(s.options.Database, "sqlite:")
	for file, suffix := range map[string]string{"database": "", "log": "-wal"} {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hookswitch_sqlite_bytes", Help: "The size of SQLite's files: the database and its write-ahead log.",
			ConstLabels: prometheus.Labels{"file": file},
		}, func() float64 { return sizeOf(path + suffix) }))
	}
}

// sizeOf returns a file's size; one that is not there has none.
func sizeOf(path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return float64(info.Size())
}

func (s *Store) tasksWaiting() int {
	waiting := len(s.committer.tickets)
	if s.outcomes != s.committer {
		waiting += len(s.outcomes.tickets)
	}
	return waiting
}

// wellness is one while the last commit succeeded.
func (s *Store) wellness() float64 {
	if s.committer.health.last() != nil {
		return 0
	}
	return 1
}

// accepted counts what an acceptance has committed.
func (m *metrics) accepted(a *acceptance) {
	for i := range a.emitted {
		m.events[a.emitted[i].event.Kind].Inc()
	}
	m.created.Add(float64(a.created))
	m.activities.accepted(a.center, a.now, len(a.emitted))
}

// compared notes that the catalogue in memory is the stored one.
func (m *metrics) compared(now time.Time) {
	m.checked.Set(inSeconds(now))
}

// finished notes that retention has nothing more to remove.
func (m *metrics) finished(now time.Time) { m.retained.Set(inSeconds(now)) }

// inSeconds is a time as Prometheus has it.
func inSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// committed notes what became of a transaction. A task's own fault says nothing about the store.
func (m *groupMetrics) committed(tasks int, took time.Duration, err error) {
	switch {
	case err == nil:
		m.took.Observe(took.Seconds())
		m.tasks.Observe(float64(tasks))
	case errors.Is(err, hook.ErrUnavailable):
		m.failures[reasonOf(err)].Inc()
	}
}

// reasonOf tells by code why the database did not take a transaction (SQLite, "Result Codes"; PostgreSQL, appendix A).
func reasonOf(err error) failureReason {
	if said := new(pgconn.PgError); errors.As(err, &said) {
		return postgresReason(said.Code)
	}
	switch sqliteCode(err) {
	case sqlite3.SQLITE_FULL:
		return reasonFull
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL:
		return reasonDisk
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return reasonBusy
	case sqlite3.SQLITE_READONLY:
		return reasonReadOnly
	case sqlite3.SQLITE_NOMEM:
		return reasonResources
	}
	var refused *pgconn.ConnectError
	var lost *lostError
	var network net.Error
	if errors.As(err, &refused) || errors.As(err, &lost) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) {
		return reasonConnection
	}
	return reasonOther
}

func postgresReason(code string) failureReason {
	const diskFull, ioError = "53100", "58030"
	switch class := code[:2]; {
	case code == diskFull:
		return reasonFull
	case code == ioError:
		return reasonDisk
	case code == pgReadOnly:
		return reasonReadOnly
	case code == pgLockNotAvailable, class == "40":
		return reasonBusy
	case class == "53":
		return reasonResources
	case class == "08", class == "57", code == pgIdleTimeout:
		return reasonConnection
	default:
		return reasonOther
	}
}
