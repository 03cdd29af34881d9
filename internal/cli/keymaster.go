package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/seal"
)

const (
	// masterPollEvery is how often a server is asked how far it is.
	masterPollEvery = time.Second
	// pruneAfter is how long a key must have been in use before older ones are removed: until then another node may still seal with them.
	// It is longer than a store takes to look which key others use.
	pruneAfter = 10 * time.Second
)

// masterKeyCommands are those of the group keys that are about the master keyset.
func (a *app) masterKeyCommands(c *connection) []*cobra.Command {
	return []*cobra.Command{a.masterKeyCommand(c), a.newMasterCommand(), a.rotateMasterCommand(c)}
}

func (a *app) newMasterCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new-master",
		Short: "Make a master keyset for a new store on PostgreSQL",
		Long: `Print a new master keyset, which seals the secrets of webhooks in a store. Put it where only the servers can read it, and a copy of it
where the backups of the database are not: without it the secrets are lost, and with it they can be read.

An embedded store makes its own at its first start. It needs no server, and changes nothing.`,
		Example: "  (umask 077; hookswitch keys new-master >master.keyset)\n  hookswitch serve --database postgres://hookswitch@db.example/hookswitch --master-keyset-file master.keyset",
		Args:    args(),
		RunE: func(*cobra.Command, []string) error {
			k, err := seal.New()
			if err != nil {
				return err
			}
			return a.printKeyset(k)
		},
	}
}

func (a *app) printKeyset(k *seal.Keyset) error {
	text, err := k.Encode()
	if err != nil {
		return err
	}
	return a.print(string(text))
}

func (a *app) masterKeyCommand(c *connection) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "master",
		Short: "Show which master key seals, and how far a rotation is",
		Long: `Show the keys of the master keyset by their numbers, how many records are sealed with each, and how many are not under the primary one
yet. It asks the server, and needs an admin key.`,
		Example: "  hookswitch keys master\n  hookswitch keys master --json | jq .remaining",
		Args:    args(),
	}
	jsonFlag(cmd, &asJSON)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		raw, status, err := c.masterKey(cmd.Context())
		switch {
		case err != nil:
			return err
		case asJSON:
			return a.print(string(raw))
		}
		return a.printMasterKey(status)
	}
	return cmd
}

// masterKey asks the server which keys seal what.
func (c *connection) masterKey(ctx context.Context) ([]byte, client.MasterKeyStatus, error) {
	var status client.MasterKeyStatus
	api, err := c.open()
	if err != nil {
		return nil, status, err
	}
	raw, err := c.ask(func() (*http.Response, error) { return api.GetMasterKey(ctx) })
	if err != nil {
		return nil, status, err
	}
	if err := json.Unmarshal(raw, &status); err != nil {
		return nil, status, fmt.Errorf("read answer: %w", err)
	}
	return raw, status, nil
}

func (a *app) printMasterKey(status client.MasterKeyStatus) error {
	rows := make([][]string, len(status.Keys))
	for i, k := range status.Keys {
		state := "opens"
		switch {
		case k.Number == status.Primary:
			state = "primary"
		case !k.Held:
			state = "not in the keyset"
		case k.UsedSince == nil:
			state = "staged"
		}
		rows[i] = []string{fmt.Sprint(k.Number), state, fmt.Sprint(k.Records), timeOf(k.UsedSince)}
	}
	if err := a.printTable([]string{"key", "state", "records", "used since"}, rows); err != nil {
		return err
	}
	if status.Remaining > 0 {
		a.tell(fmt.Sprintf("%d records are not under the primary key yet; the server seals them anew in the background.\n", status.Remaining))
	}
	if status.Problem != nil {
		a.tell("Problem: " + clean(*status.Problem) + "\n")
	}
	return nil
}

// rotation are the flags of `keys rotate-master`.
type rotation struct {
	stage, prune, fromStdin, wait, json bool
}

// rotatedKeyset is a keyset that was changed, as a JSON document: numbers, and no key.
type rotatedKeyset struct {
	File    string   `json:"file"`
	Primary uint32   `json:"primary"`
	Staged  uint32   `json:"staged,omitempty"`
	Keys    []uint32 `json:"keys"`
}

const rotateMasterLong = `Add a key to the master keyset and make it primary, so that it seals from now on; the keys before stay in the keyset, and open. Run it on
the server's machine, as its user, with its configuration: it changes the keyset's file, at once and for the owner's eyes only.

A running server notices within seconds, and seals all secrets anew with the new key in the background, while it delivers. It may be
stopped or killed meanwhile, and goes on after its next start. --wait shows how far it is and ends when it is done; it asks the server,
with an admin key. Then --prune removes the keys under which nothing is stored any more; it waits until the new one has been in use for ten
seconds.

Where nodes have copies of the file, not the file itself: add the key with --stage, give the file to every node, and run the
command again without --stage, which makes the staged key primary; then give the file to every node again.

A keyset in the environment (master-keyset) cannot be changed in place: --from-stdin reads one and prints the new one.

Make a copy of the new keyset, apart from the backups of the database; those from before still need the keys of before.

Exit codes: 0 done, 2 the keyset cannot be used, 4 --prune is refused because records are under another key, 5 not authorised,
6 the server cannot be reached: the keyset was changed all the same, and the next start seals anew.`

func (a *app) rotateMasterCommand(c *connection) *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use:   "rotate-master",
		Short: "Add a master key, and seal all secrets anew with it",
		Long:  rotateMasterLong,
		Example: `  hookswitch keys rotate-master --wait
  hookswitch keys rotate-master --prune
  hookswitch keys rotate-master --master-keyset-file /etc/hookswitch/master.keyset --stage   # distribute it, then again without --stage
  hookswitch keys rotate-master --from-stdin <old.keyset >new.keyset`,
		Args: args(),
	}
	load := a.masterFlags(cmd)
	cmd.Flags().BoolVar(&r.stage, "stage", false, "only add a key, which opens and does not seal yet")
	cmd.Flags().BoolVar(&r.prune, "prune", false, "remove the keys under which nothing is stored any more")
	cmd.Flags().BoolVar(&r.fromStdin, "from-stdin", false, "read the keyset from standard input, and print the new one")
	cmd.Flags().BoolVar(&r.wait, "wait", false, "wait until the server has sealed everything anew")
	jsonFlag(cmd, &r.json)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(exclusive(cmd, "stage", "prune"), exclusive(cmd, "stage", "wait"), exclusive(cmd, "from-stdin", "wait"), exclusive(cmd, "prune", "wait"),
			exclusive(cmd, "from-stdin", "json")); err != nil {
			return err
		}
		return a.rotateMaster(cmd.Context(), c, r, load)
	}
	return cmd
}

// masterFlags adds the flags that say where the keyset is; the result loads the configuration.
func (a *app) masterFlags(cmd *cobra.Command) func() (*config.Config, error) {
	flags := cmd.Flags()
	file := flags.String("config", "", "the YAML file with the configuration (or "+configFile+")")
	texts := map[string]*string{
		"database":           flags.String("database", "", "the server's database (or "+config.EnvPrefix+"DATABASE)"),
		"master-keyset-file": flags.String("master-keyset-file", "", "the file with the keyset (or "+config.EnvPrefix+"MASTER_KEYSET_FILE)"),
	}
	return func() (*config.Config, error) {
		return config.Load(config.Sources{
			File: firstOf(*file, a.env(configFile)),
			Env:  a.Env,
			Flag: func(name string) (string, bool) {
				if text, ok := texts[name]; ok {
					return *text, *text != ""
				}
				return "", false
			},
		})
	}
}

func (a *app) rotateMaster(ctx context.Context, c *connection, r rotation, load func() (*config.Config, error)) error {
	var refused error
	change := func(k *seal.Keyset) (next *seal.Keyset, err error) {
		next, refused = c.rotate(ctx, k, r)
		return next, refused
	}
	if r.fromStdin {
		text, err := a.readInput("--from-stdin", "-")
		if err != nil {
			return err
		}
		k, err := seal.Parse(text)
		if err != nil {
			return &keysetError{fmt.Errorf("standard input %w", err)}
		}
		if k, err = change(k); err != nil {
			return err
		}
		return a.printKeyset(k)
	}
	conf, err := load()
	if err != nil {
		return err
	}
	if err := conf.CheckMaster(); err != nil {
		return err
	}
	if !conf.Master.Keyset.IsZero() {
		return conf.Refuse("master-keyset", "cannot be changed in place: give the keyset to --from-stdin, set what is printed, and restart the server")
	}
	path := keysetFile(conf)
	if path == "" {
		return &keysetError{errNoKeyset}
	}
	k, err := seal.ChangeFile(path, change)
	switch {
	case refused != nil:
		return refused
	case err != nil:
		return &keysetError{err}
	}
	if !r.json {
		a.tell(fmt.Sprintf("%s: %s. Keep a copy of it apart from those of the database.\n", path, keysetText(k)))
	} else if err := a.printJSON(rotatedKeyset{path, k.Primary(), k.Staged(), k.Numbers()}); err != nil {
		return err
	}
	switch {
	case r.wait:
		return a.waitResealed(ctx, c, k)
	case !r.json && !r.stage && !r.prune:
		a.tell("A running server seals all secrets anew in the background: `hookswitch keys master` shows how far it is.\nOne that is not running does so after its next start.\n")
	}
	return nil
}

// keysetText says what a keyset holds.
func keysetText(k *seal.Keyset) string {
	var others []uint32
	for _, n := range k.Numbers() {
		if n != k.Primary() && n != k.Staged() {
			others = append(others, n)
		}
	}
	text := fmt.Sprintf("key %d is primary", k.Primary())
	if staged := k.Staged(); staged != 0 {
		text += fmt.Sprintf(", key %d is staged", staged)
	}
	if len(others) > 0 {
		text += ", older keys that open: " + numbersText(others)
	}
	return text
}

// rotate makes the new keyset.
func (c *connection) rotate(ctx context.Context, k *seal.Keyset, r rotation) (*seal.Keyset, error) {
	staged := k.Staged()
	switch {
	case r.prune:
		return c.pruneKeyset(ctx, k)
	case r.stage && staged != 0:
		return nil, &conflictError{fmt.Sprintf("key %d is staged already; when every node has it, run the command without --stage", staged)}
	case r.stage:
		return k.Stage()
	case staged != 0:
		return k.Promote()
	}
	next, err := k.Stage()
	if err != nil {
		return nil, err
	}
	return next.Promote()
}

// pruneKeyset leaves out the keys under which the server has found nothing.
func (c *connection) pruneKeyset(ctx context.Context, k *seal.Keyset) (*seal.Keyset, error) {
	status, err := c.settledMasterKey(ctx, k)
	if err != nil {
		return nil, err
	}
	var unused []uint32
	for _, n := range k.Numbers() {
		known := slices.IndexFunc(status.Keys, func(s client.MasterKey) bool { return s.Number == int64(n) })
		if n != k.Primary() && n != k.Staged() && known >= 0 && status.Keys[known].Records == 0 {
			unused = append(unused, n)
		}
	}
	return k.Without(unused)
}

// settledMasterKey waits until all nodes have had the time to see which key is primary, and refuses where the server is not well.
func (c *connection) settledMasterKey(ctx context.Context, k *seal.Keyset) (client.MasterKeyStatus, error) {
	again := time.NewTicker(masterPollEvery)
	defer again.Stop()
	for {
		_, status, err := c.masterKey(ctx)
		if err != nil {
			return status, err
		}
		if status.Problem != nil {
			return status, &conflictError{"nothing was removed, because the server has a problem: " + clean(*status.Problem)}
		}
		if status.Primary != int64(k.Primary()) || status.Remaining > 0 {
			return status, &conflictError{fmt.Sprintf("nothing was removed: key %d is primary on the server, and %d records are not under it; `hookswitch keys master` shows more",
				status.Primary, status.Remaining)}
		}
		primary := slices.IndexFunc(status.Keys, func(s client.MasterKey) bool { return s.Number == status.Primary })
		if primary >= 0 && status.Keys[primary].UsedSince != nil && status.LookedAt.Sub(*status.Keys[primary].UsedSince) >= pruneAfter {
			return status, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return status, context.Cause(ctx)
		}
	}
}

// conflictError is a state that forbids what was asked for.
type conflictError struct{ text string }

// Error says which.
func (e *conflictError) Error() string { return e.text }

// hasRotated reports whether the server seals with the primary key of a keyset, or with one that another rotation has made since.
func hasRotated(status *client.MasterKeyStatus, k *seal.Keyset) bool {
	if status.Primary == int64(k.Primary()) {
		return true
	}
	older := slices.ContainsFunc(k.Numbers(), func(n uint32) bool { return int64(n) == status.Primary })
	held := slices.ContainsFunc(status.Keys, func(s client.MasterKey) bool { return s.Number == int64(k.Primary()) && s.Held })
	return held && !older
}

// waitResealed waits until the server has sealed everything with the primary key.
func (a *app) waitResealed(ctx context.Context, c *connection, k *seal.Keyset) error {
	again := time.NewTicker(masterPollEvery)
	defer again.Stop()
	said := ""
	for {
		_, status, err := c.masterKey(ctx)
		if err != nil {
			return fmt.Errorf("the keyset is changed, and the server seals anew when it runs; how far it is, is not known: %w", err)
		}
		text := "waiting for the server to read the keyset\n"
		if hasRotated(&status, k) {
			if status.Remaining == 0 {
				a.tell("Everything is sealed with the new key.\n")
				return nil
			}
			text = fmt.Sprintf("%d records are left\n", status.Remaining)
		}
		if status.Problem != nil {
			text = strings.TrimSuffix(text, "\n") + ": " + clean(*status.Problem) + "\n"
		}
		if text != said {
			a.tell(text)
			said = text
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
