package cli

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/internal/config"
)

const serveLong = `Run the server: accept interactions over HTTP, commit them with their events, and deliver these to the webhooks.

It takes its configuration from flags, the environment (HOOKSWITCH_...), a YAML file and the default file, in this order;
` + "`hookswitch config`" + ` shows what is in force. The first start on a new database makes an admin key and prints it once.

SIGTERM or Ctrl-C ends it: /readyz answers 503, requests and deliveries in flight are finished within --drain-timeout, and
what is left is delivered after the next start. A second signal ends it at once; nothing that was acknowledged is lost.`

func (a *app) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long:  serveLong,
		Example: `  hookswitch serve
  HOOKSWITCH_ADMIN_KEY=$(cat admin.key) hookswitch serve --listen :8480 --public-url https://hookswitch.example
  hookswitch serve --allow-private-targets 127.0.0.0/8   # webhooks to this machine, over http too`,
		Args: args(),
	}
	load := a.configFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := load()
		if err != nil {
			return err
		}
		return a.serve(cmd.Context(), c)
	}
	return cmd
}

func (a *app) serve(ctx context.Context, c *config.Config) error {
	log, err := a.logger(c.Log)
	if err != nil {
		return err
	}
	keepStandardLog(log)
	n, err := openNode(ctx, c, log)
	if err != nil {
		return err
	}
	a.collectLess()
	err = n.run(ctx, func(newKey string) {
		if newKey != "" {
			a.tell(newKeyText(newKey, n.localURL(), n.consoleURL()))
		}
		log.Info("listening", "url", n.localURL(), "public_url", n.publicURL(), "console", n.consoleURL(), "database", config.HidePassword(c.Database), "version", readBuild().Version)
	})
	if err == nil {
		log.Info("ended")
	}
	return err
}

const (
	// gcPercent lets the heap grow to four times what is live before it is collected. What is live is mostly the stacks of
	// goroutines, which every collection scans.
	gcPercent = 300
	// heapBytesSoftMax is where collecting more often begins all the same. A hundred busy webhooks, each with its workers and
	// connections, come near it; a lower bound would spend their time on collecting.
	heapBytesSoftMax = 224 << 20
)

// collectLess spends memory on speed, within bounds, unless the environment says otherwise.
func (a *app) collectLess() {
	if a.env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if a.env("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(heapBytesSoftMax)
	}
}

// newKeyText shows a new admin key, once: the store keeps its hash alone. It names the server where the client commands would
// look elsewhere.
func newKeyText(key, server, console string) string {
	where := ""
	if server != serverDefault {
		where = fmt.Sprintf("  export %s=%s\n", serverEnv, server)
	}
	return fmt.Sprintf(`
This is a new store, so an admin key was made. It is shown here and never again:

  %s

Put it where only you can read it. The client commands take it from the environment:

  export %s=%s
%s  hookswitch interactions list

Or open the console in a browser, and sign in with the key:

  %s

`, key, keyEnv, key, where, console)
}
