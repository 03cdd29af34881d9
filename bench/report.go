package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A reporter writes what is found: raw results as JSON lines into a file, tables in Markdown.
type reporter struct {
	raw *json.Encoder
	out io.Writer
	err error // the first that writing to out gave
}

// newReporter begins the file of a run with what the run was; the caller closes it.
func newReporter(folder string, m machine, out io.Writer) (*reporter, *os.File, error) {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, nil, fmt.Errorf("make folder for results: %w", err)
	}
	f, err := os.Create(filepath.Join(folder, m.At.Format("20060102-150405")+".jsonl"))
	if err != nil {
		return nil, nil, fmt.Errorf("create file for results: %w", err)
	}
	rep := &reporter{raw: json.NewEncoder(f), out: out}
	if err := rep.raw.Encode(map[string]any{"machine": m}); err != nil {
		return nil, nil, fmt.Errorf("write machine: %w", err)
	}
	rep.say("%s\n", m)
	return rep, f, nil
}

// keep writes one result to the file.
func (r *reporter) keep(name string, value any) error {
	if err := r.raw.Encode(map[string]any{"name": name, "result": value}); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// say prints one line of the report.
func (r *reporter) say(format string, args ...any) {
	if _, err := fmt.Fprintf(r.out, format+"\n", args...); err != nil && r.err == nil {
		r.err = fmt.Errorf("print report: %w", err)
	}
}

// table prints a line for each row, with medians over its rounds.
func (r *reporter) table(rows []row, results map[string][]result) error {
	raw := rates(results, rows, rawTarget)
	lean := rates(results, rows, leanRawTarget)
	more := ""
	if slices.ContainsFunc(rows, func(w row) bool {
		return slices.ContainsFunc(results[w.String()], func(g result) bool { return g.Expense != nil })
	}) {
		more = " + PostgreSQL"
	}
	r.say("| what | deliveries/s | spread | / raw | / raw-lean | / relay | p50 | p95 | p99 | CPU µs per delivery: all = target + sink + generator%s | MB idle, load, peak | recorded after |", more)
	r.say("|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, row := range rows {
		got := results[row.String()]
		if len(got) == 0 {
			continue
		}
		perS := numbers(got, func(g result) float64 { return g.PerS })
		relay := relayRates(row, results)
		r.say("| %s | %.0f | %.0f %% | %s | %s | %s | %s | %s | %s | %s | %s | %s |", row, median(perS), 100*spread(perS),
			fraction(row, perS, raw), fraction(row, perS, lean), fraction(row, perS, relay),
			latency(got, func(g result) time.Duration { return g.Account.P50 }),
			latency(got, func(g result) time.Duration { return g.Account.P95 }),
			latency(got, func(g result) time.Duration { return g.Account.P99 }),
			cpuCell(row, got), memoryCell(row, got), recordedCell(row, got))
	}
	r.say("")
	r.expenses(rows, results)
	r.faults(rows, results)
	return nil
}

// expenses prints what PostgreSQL cost, where there was one.
func (r *reporter) expenses(rows []row, results map[string][]result) {
	begun := false
	for _, row := range rows {
		got := slices.DeleteFunc(slices.Clone(results[row.String()]), func(g result) bool { return g.Expense == nil })
		if len(got) == 0 || row.setup.Pace.Rate > 0 {
			continue
		}
		if !begun {
			r.say("| what PostgreSQL cost, for each delivery | CPU µs, all its processes | bytes of WAL | bytes on disk |")
			r.say("|---|---|---|---|")
			begun = true
		}
		cpu := medianOf(got, func(g result) float64 { return per(g.CPU.Postgres.Microseconds(), g.Account.Arrived) })
		r.say("| %s | %s | %.0f | %.0f |", row, measured(cpu), medianOf(got, func(g result) float64 { return g.Expense.WALBytes }),
			medianOf(got, func(g result) float64 { return g.Expense.DiskBytes }))
	}
	if begun {
		r.say("")
	}
}

// measured shows a CPU time in microseconds, unless PostgreSQL runs where it cannot be seen.
func measured(micros float64) string {
	if micros == 0 {
		return "on another machine"
	}
	return fmt.Sprintf("%.0f", micros)
}

// faults sums up over all trials what must be zero, and what should be.
func (r *reporter) faults(rows []row, results map[string][]result) {
	var events, missing, duplicates, disorder, verified, bad, refused, broken int64
	for _, row := range rows {
		if row.setup.Target != hookswitchTarget {
			continue
		}
		for _, g := range results[row.String()] {
			a := g.Account
			events += a.Acknowledged
			missing, duplicates, disorder = missing+a.Missing, duplicates+a.Duplicates, disorder+a.OutOfOrder
			verified, bad = verified+a.Verified, bad+a.BadSignatures
			refused, broken = refused+g.Sent.Refused, broken+g.Sent.Broken
		}
	}
	r.say("hookswitch, all rounds: %d events acknowledged, %d deliveries of them missing, %d duplicates, %d FINISHED before STARTED, "+
		"%d POSTs verified of which %d were signed wrongly, %d requests refused, %d connections broken.",
		events, missing, duplicates, disorder, verified, bad, refused, broken)
}

func numbers(got []result, number func(result) float64) []float64 {
	out := make([]float64, len(got))
	for i, g := range got {
		out[i] = number(g)
	}
	return out
}

// rates returns the rates of a target's first row, round by round.
func rates(results map[string][]result, rows []row, t target) []float64 {
	for _, r := range rows {
		if r.setup.Target == t {
			return numbers(results[r.String()], func(g result) float64 { return g.PerS })
		}
	}
	return nil
}

// relayRates returns the rates of the fastest relay that is a row's limit.
func relayRates(r row, results map[string][]result) []float64 {
	var best []float64
	for _, name := range r.relay {
		perS := numbers(results[name], func(g result) float64 { return g.PerS })
		if len(perS) > 0 && (best == nil || median(perS) > median(best)) {
			best = perS
		}
	}
	return best
}

func fraction(r row, perS, limit []float64) string {
	if len(limit) == 0 || r.setup.Pace.Rate > 0 || r.setup.Target == rawTarget || r.setup.Target == leanRawTarget {
		return ""
	}
	return fmt.Sprintf("%.2f", median(ratios(perS, limit)))
}

func latency(got []result, of func(result) time.Duration) string {
	return milliseconds(time.Duration(medianOf(got, func(g result) float64 { return float64(of(g)) })))
}

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	digits := max(0, min(2, 2-int(math.Floor(math.Log10(max(ms, 0.01))))))
	return fmt.Sprintf("%.*f ms", digits, ms)
}

// cpuCell shows what one delivery costs each process. The sum compares targets even on a machine that is busy with other
// things: where the cores are what is short, rates are as the inverse of it.
func cpuCell(row row, got []result) string {
	micros := func(of func(usage) time.Duration) float64 {
		return medianOf(got, func(g result) float64 {
			return float64(of(g.CPU)) / float64(time.Microsecond) / float64(max(1, g.Account.Arrived))
		})
	}
	target, sink := micros(func(u usage) time.Duration { return u.Target }), micros(func(u usage) time.Duration { return u.Sink })
	if t := row.setup.Target; t == rawTarget || t == leanRawTarget { // the generator is the target
		return fmt.Sprintf("%.0f = %.0f + %.0f", target+sink, target, sink)
	}
	generator := micros(func(u usage) time.Duration { return u.Generator })
	if postgres := micros(func(u usage) time.Duration { return u.Postgres }); postgres > 0 {
		return fmt.Sprintf("%.0f = %.0f + %.0f + %.0f + %.0f", target+sink+generator+postgres, target, sink, generator, postgres)
	}
	return fmt.Sprintf("%.0f = %.0f + %.0f + %.0f", target+sink+generator, target, sink, generator)
}

func memoryCell(r row, got []result) string {
	if r.setup.Target != hookswitchTarget {
		return ""
	}
	megabytes := func(of func(memory) int64) float64 {
		return medianOf(got, func(g result) float64 { return float64(of(g.Memory)) / (1 << 20) })
	}
	return fmt.Sprintf("%.0f, %.0f, %.0f", megabytes(func(m memory) int64 { return m.IdleBytes }),
		megabytes(func(m memory) int64 { return m.LoadBytes }), megabytes(func(m memory) int64 { return m.PeakBytes }))
}

func recordedCell(r row, got []result) string {
	if r.setup.Target != hookswitchTarget {
		return ""
	}
	return latency(got, func(g result) time.Duration { return g.RecordedAfter })
}
