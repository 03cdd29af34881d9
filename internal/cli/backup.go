package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/store"
)

const backupLong = `Copy a store, SQLite or PostgreSQL, as it is at one moment into one SQLite file. Servers go on working meanwhile.

The file is a store: run it with ` + "`hookswitch serve --database FILE`" + `, or copy it into a PostgreSQL with ` + "`hookswitch migrate copy`" + `.
Deliveries that were in somebody's hands at that moment are due in it, so a server that runs it sends them, perhaps again.
Secrets of webhooks are sealed in it: it needs the master keyset of the store, which is not in it and must be backed up apart.
Only its owner may read it. It is written as FILE.partial-..., read again and compared, and gets its name when
it is complete and on disk; what a killed backup leaves can be deleted. A file that exists is never overwritten.

A server on SQLite keeps its write-ahead log for as long as the backup runs: leave room on its disk for what is written meanwhile.
For a large PostgreSQL its own tools (pg_basebackup, point-in-time recovery) are the better choice: they copy files and keep all
that comes later, while this reads every row in one long transaction, during which vacuum can remove nothing.`

func (a *app) backupCommand() *cobra.Command {
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup --to FILE",
		Short: "Copy a live store into one SQLite file",
		Long:  backupLong,
		Example: `  hookswitch backup --to backup.db   # the database that serve uses
  hookswitch backup --database postgres://hookswitch@db.example/hookswitch --to backup-$(date +%F).db
  hookswitch migrate copy --from backup.db --to postgres://hookswitch@db.example/restored`,
		Args: args(),
	}
	database := a.databaseFlag(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the file to write; it must not exist")
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if to == "" {
			return usageErrorf("backup needs --to FILE")
		}
		from, err := database()
		if err != nil {
			return err
		}
		err = a.copying(cmd.Context(), asJSON, func(ctx context.Context, tell func(store.CopyProgress)) (*store.CopyReport, error) {
			return store.Backup(ctx, store.BackupOptions{Database: from, To: to, Progress: tell})
		})
		if err == nil {
			a.tell("The secrets in it are sealed under the master keyset, which is not in it. Keep a copy of that apart from this file" + a.whereKeyset(from) + ".\n")
		}
		return err
	}
	return cmd
}

// databaseFlag adds --database and --config; the result is the database that `serve` would use.
func (a *app) databaseFlag(cmd *cobra.Command) func() (string, error) {
	const key = "database"
	file := cmd.Flags().String("config", "", "the YAML file with the configuration (or "+configFile+")")
	text := cmd.Flags().String(key, "", "the path of an SQLite file, or postgres://user@host:5432/database (or "+config.EnvPrefix+"DATABASE)")
	return func() (string, error) {
		c, err := config.Load(config.Sources{
			File: firstOf(*file, a.env(configFile)),
			Env:  a.Env,
			Flag: func(name string) (string, bool) { return *text, name == key && *text != "" },
		})
		if err != nil {
			return "", err
		}
		return c.Database, nil
	}
}

// copied is a finished copy as a JSON document.
type copied struct {
	Tables        []copiedTable `json:"tables"`
	Same          bool          `json:"same"`
	Freed         int64         `json:"freed"`
	Replaced      int64         `json:"replaced"`
	Seconds       float64       `json:"seconds"`
	RowsPerSecond int64         `json:"rowsPerSecond"`
}

type copiedTable struct {
	Name        string `json:"name"`
	Source      int64  `json:"source"`
	Destination int64  `json:"destination"`
	Checksum    string `json:"checksum"`
	Same        bool   `json:"same"`
}

// copying runs a copy, shows how far it is, and prints what was compared.
func (a *app) copying(ctx context.Context, asJSON bool, run func(context.Context, func(store.CopyProgress)) (*store.CopyReport, error)) error {
	log, err := a.logger(config.Log{Level: "info", Format: config.LogText})
	if err != nil {
		return err
	}
	p := &progress{app: a, log: log}
	report, err := run(ctx, p.tell)
	p.end()
	if err != nil && !errors.Is(err, store.ErrDiffers) {
		return err
	}
	return errors.Join(a.printCopied(report, asJSON), err)
}

// printCopied prints the comparison: as a table on standard output, and what is to be known besides on standard error.
func (a *app) printCopied(report *store.CopyReport, asJSON bool) error {
	out := copied{Same: true, Freed: report.Freed, Replaced: report.Replaced, Seconds: report.Took.Seconds(), RowsPerSecond: rate(report.Rows(), report.Took)}
	var rows [][]string
	for i := range report.Tables {
		t := &report.Tables[i]
		out.Tables = append(out.Tables, copiedTable{t.Name, t.Source, t.Destination, fmt.Sprintf("sha256:%x", t.Found), t.Same()})
		out.Same = out.Same && t.Same()
		verdict := "same"
		if !t.Same() {
			verdict = "DIFFERS"
		}
		rows = append(rows, []string{t.Name, fmt.Sprint(t.Source), fmt.Sprint(t.Destination), fmt.Sprintf("%s %x", verdict, t.Found[:6])})
	}
	if asJSON {
		return a.printJSON(out)
	}
	if report.Freed > 0 {
		a.tell(fmt.Sprintf("%d deliveries were leased; they are due in the copy.\n", report.Freed))
	}
	if report.Replaced > 0 {
		a.tell(fmt.Sprintf("%d texts held what PostgreSQL cannot hold, NUL or broken UTF-8; U+FFFD stands for it now.\n", report.Replaced))
	}
	a.tell(fmt.Sprintf("Copied and compared %d rows in %v, %d rows/s.\n", report.Rows(), report.Took.Round(time.Millisecond), out.RowsPerSecond))
	return a.printTable([]string{"table", "source", "destination", "checksum"}, rows)
}

func rate(rows int64, took time.Duration) int64 {
	return int64(float64(rows) / max(took.Seconds(), 0.001))
}

const (
	// progressLogEvery is how often a copy says how far it is where no person looks at it.
	progressLogEvery = 3 * time.Second
	// progressDrawEvery is how often it does where one does, and progressCells how wide the bar is.
	progressDrawEvery = 100 * time.Millisecond
	progressCells     = 30
)

// progress is how far a copy is, for whoever waits: a bar for each table on a terminal, else a line every few seconds.
type progress struct {
	app *app
	log *slog.Logger
	// table is the one that began last, at began.
	table store.CopyProgress
	began time.Time
	// shown is when something was shown last, and open whether the bar's line is not ended yet.
	shown time.Time
	open  bool
}

func (p *progress) tell(at store.CopyProgress) {
	now := time.Now()
	if at.Table != p.table.Table || at.Verifying != p.table.Verifying {
		p.table, p.began = at, now
	}
	speed := rate(at.Done, now.Sub(p.began))
	switch {
	case p.app.StderrTerminal:
		if last := at.Done >= at.Total; last || now.Sub(p.shown) >= progressDrawEvery {
			p.shown, p.open = now, !last
			p.app.tell(bar(at, speed, last))
		}
	case p.shown.IsZero():
		p.shown = now
	case now.Sub(p.shown) >= progressLogEvery:
		p.shown = now
		p.log.Info("copying", "table", at.Table, "comparing", at.Verifying, "rows", at.Done, "total", at.Total, "rows_per_second", speed)
	}
}

// end leaves the cursor at the beginning of a line.
func (p *progress) end() {
	if p.open {
		p.app.tell("\n")
		p.open = false
	}
}

// bar draws one table over what was drawn of it before: ECMA-48, section 8.3.41, EL, clears the rest of the line.
func bar(at store.CopyProgress, speed int64, last bool) string {
	verb, end := "copy   ", ""
	if at.Verifying {
		verb = "compare"
	}
	if last {
		end = "\n"
	}
	full := progressCells
	if at.Total > 0 {
		full = int(min(at.Done, at.Total) * progressCells / at.Total)
	}
	return fmt.Sprintf("\r%s %-15s [%s%s] %d of %d, %d/s\x1b[K%s", verb, at.Table, strings.Repeat("=", full), strings.Repeat(" ", progressCells-full),
		at.Done, at.Total, speed, end)
}
