package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/store"
)

func (a *app) migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Prepare a database, and move a store from one to another",
		Long: `Prepare a database for this version, or move a whole store between SQLite and PostgreSQL.

` + "`serve`" + ` makes and updates the tables itself; ` + "`migrate up`" + ` is for those who do it before, or as another user of the database.`,
		Example: `  hookswitch migrate status
  hookswitch migrate up --database postgres://owner@db.example/hookswitch
  hookswitch migrate copy --from hookswitch.db --to postgres://hookswitch@db.example/hookswitch`,
	}
	makeGroup(cmd)
	cmd.AddCommand(a.migrateUpCommand(), a.migrateStatusCommand(), a.migrateCopyCommand())
	return cmd
}

func (a *app) migrateUpCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make the tables of a database, or bring them up to date, and end",
		Long: `Make the tables of a database, or bring them up to date, and end.

Run it where the database's user at run time may not create tables, or before a rolling upgrade: servers of the version before
go on working with the new tables, unless the release notes say otherwise. On PostgreSQL any number of servers may run meanwhile,
and any number of these; on SQLite the server must be stopped. It changes nothing where nothing is missing.

Exit codes: 0 the schema is up to date, 4 a server uses the SQLite file or the schema is too new, 6 the database cannot be reached.`,
		Example: `  hookswitch migrate up --database postgres://owner@db.example/hookswitch
  hookswitch migrate up --database /var/lib/hookswitch/hookswitch.db`,
		Args: args(),
	}
	database := a.databaseFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		name, err := database()
		if err != nil {
			return err
		}
		before, after, err := store.MigrateUp(cmd.Context(), name)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(migrated{Database: after.Database, From: before.Version, To: after.Version, Applied: nonNil(before.Pending)})
		}
		if len(before.Pending) == 0 {
			return a.print(fmt.Sprintf("%s: nothing to do, the schema has version %d\n", after.Database, after.Version))
		}
		return a.print(fmt.Sprintf("%s: from version %d to %d: %s\n", after.Database, before.Version, after.Version, strings.Join(before.Pending, ", ")))
	}
	return cmd
}

// migrated is what `migrate up` did, as a JSON document.
type migrated struct {
	Database string   `json:"database"`
	From     int64    `json:"from"`
	To       int64    `json:"to"`
	Applied  []string `json:"applied"`
}

// schemaStatus is a schema as a JSON document.
type schemaStatus struct {
	Database string   `json:"database"`
	Version  int64    `json:"version"`
	Newest   int64    `json:"newest"`
	Pending  []string `json:"pending"`
}

// nonNil makes a JSON list of nothing, too.
func nonNil(list []string) []string { return append([]string{}, list...) }

func (a *app) migrateStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the version of a database, the newest one known, and what is pending",
		Long: `Show the version of a database's schema, the newest one that this program knows, and the migrations that are pending.
It changes nothing, and servers may run meanwhile.

Exit codes: 0 nothing is pending, 1 something is, 3 there is no such SQLite file, 4 this program cannot use the database, because
its schema is too new or copying into it was not finished, 6 the database cannot be reached.`,
		Example: `  hookswitch migrate status --database postgres://hookswitch@db.example/hookswitch
  hookswitch migrate status || hookswitch migrate up`,
		Args: args(),
	}
	database := a.databaseFlag(cmd)
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		name, err := database()
		if err != nil {
			return err
		}
		s, err := store.ReadSchema(cmd.Context(), name)
		if err != nil {
			return err
		}
		if asJSON {
			err = a.printJSON(schemaStatus{s.Database, s.Version, s.Newest, nonNil(s.Pending)})
		} else {
			err = a.printFields([2]string{"database", s.Database}, [2]string{"version", fmt.Sprint(s.Version)},
				[2]string{"newest known", fmt.Sprint(s.Newest)}, [2]string{"pending", firstOf(strings.Join(s.Pending, ", "), "nothing")})
		}
		switch usable := s.Usable(); {
		case err != nil:
			return err
		case usable != nil:
			return usable
		case len(s.Pending) > 0:
			return &silentError{errors.New("migrations are pending")}
		}
		return nil
	}
	return cmd
}

const (
	// copyFromEnv and copyToEnv are the variables with the databases of a copy: two may have two passwords, and flags are seen by others.
	copyFromEnv = config.EnvPrefix + "COPY_FROM"
	copyToEnv   = config.EnvPrefix + "COPY_TO"
)

const copyLong = `Copy a whole store between SQLite and PostgreSQL, in any direction: contact centres, keys, webhooks with their secrets,
interactions, events, deliveries, attempts, and the answers kept for Idempotency-Keys. Ids, cursors and the order of events stay.
Secrets stay sealed as they are: give the master keyset of the source (master-keyset-file) to the server of the copy.

The destination must be empty; its tables are made. No server may use either side: SQLite's lock is checked and held, and the
nodes that a PostgreSQL lists are named. A node that died is listed for ten minutes; --force says that all of them are dead.
Deliveries that were in somebody's hands are due in the copy. Rows are copied in small transactions, so memory does not grow.

At the end the destination is read again and compared: rows, and a SHA-256 over all values of each table. Until then it is marked
as incomplete, and no server uses it; after an interruption, empty it and copy again. The source is never changed.

Others may read command lines: give a URL with a password in ` + copyFromEnv + ` or ` + copyToEnv + `, where the flag is left out, or the
password in PGPASSWORD or a password file (PGPASSFILE).

Exit codes: 0 copied and the same, 1 different or interrupted, 2 usage, 3 there is no such SQLite file, 4 the destination is not
empty, a side is in use, or a schema does not fit, 6 a database cannot be reached.`

func (a *app) migrateCopyCommand() *cobra.Command {
	var from, to string
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "copy --from DATABASE --to DATABASE",
		Short: "Copy a whole store into an empty database, and compare",
		Long:  copyLong,
		Example: `  hookswitch migrate copy --from hookswitch.db --to postgres://hookswitch@db.example/hookswitch
  hookswitch migrate copy --from postgres://hookswitch@db.example/hookswitch --to hookswitch.db
  HOOKSWITCH_COPY_TO=$(cat database.url) hookswitch migrate copy --from hookswitch.db   # a URL with a password`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to := firstOf(from, a.env(copyFromEnv)), firstOf(to, a.env(copyToEnv))
			if err := errors.Join(checkDatabase("--from", copyFromEnv, from), checkDatabase("--to", copyToEnv, to)); err != nil {
				return err
			}
			return a.copying(cmd.Context(), asJSON, func(ctx context.Context, tell func(store.CopyProgress)) (*store.CopyReport, error) {
				return store.Copy(ctx, store.CopyOptions{From: from, To: to, Force: force, Progress: tell})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "the database to copy: the path of an SQLite file, or postgres://user@host:5432/database (or "+copyFromEnv+")")
	flags.StringVar(&to, "to", "", "the empty database to copy into: the same forms (or "+copyToEnv+")")
	flags.BoolVar(&force, "force", false, "the nodes that a PostgreSQL database still lists are dead")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// checkDatabase refuses what is no name of a database, as the configuration does, without showing a password.
func checkDatabase(flag, variable, name string) error {
	if name == "" {
		return usageErrorf("migrate copy needs --from and --to, and %s (or %s) is missing", flag, variable)
	}
	none := func(string) (string, bool) { return "", false }
	_, err := config.Load(config.Sources{Env: none, Flag: func(key string) (string, bool) { return name, key == "database" }})
	if wrong, ok := errors.AsType[*config.Error](err); ok && len(wrong.Problems) > 0 {
		return usageErrorf("%s %s", flag, wrong.Problems[0].Message)
	}
	return err
}
