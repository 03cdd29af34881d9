package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeoutDefault and healthTimeoutMax bound how long the answer of /readyz is waited for; the server itself takes up to two
// seconds for it.
const (
	healthTimeoutDefault = 4 * time.Second
	healthTimeoutMax     = time.Minute
)

const healthLong = `Ask a server whether it is ready: whether it answers, is not ending, and could commit a change now (GET /readyz).

It needs no key. The exit code is 0 when the server is ready and 1 when it is not or does not answer, as the healthchecks of
containers want it.`

func (a *app) healthCommand() *cobra.Command {
	c := &connection{app: a}
	var timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "health",
		Short:   "Ask a server whether it is ready",
		Long:    healthLong,
		Example: "  hookswitch health\n  hookswitch health --server http://127.0.0.1:8480 --timeout 2s && echo ready",
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 || timeout > healthTimeoutMax {
				return usageErrorf("--timeout must be above 0s and at most %v", healthTimeoutMax)
			}
			return a.health(cmd.Context(), c, timeout, asJSON)
		},
	}
	cmd.Flags().StringVar(&c.server, "server", "", "the `URL` of the server (or "+serverEnv+"; default "+serverDefault+")")
	cmd.Flags().StringVar(&c.caFile, "ca-file", "", caFileUsage)
	cmd.Flags().DurationVar(&timeout, "timeout", healthTimeoutDefault, "how long to wait for the answer")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readiness is the answer of `health --json`.
type readiness struct {
	Ready   bool   `json:"ready"`
	Server  string `json:"server"`
	Version string `json:"version,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

func (a *app) health(ctx context.Context, c *connection, timeout time.Duration, asJSON bool) error {
	base, err := c.base()
	if err != nil {
		return err
	}
	doer, err := c.doer(timeout)
	if err != nil {
		return err
	}
	api, err := newClient(base, credential{}, "", doer)
	if err != nil {
		return err
	}
	r := readiness{Server: base}
	var said struct{ Status, Version string }
	body, err := ask(base, func() (*http.Response, error) { return api.Ready(ctx) })
	switch {
	case err != nil:
		r.Reason = err.Error()
	case json.Unmarshal(body, &said) != nil || said.Status != "ok":
		r.Reason = "the answer is not that of a Hookswitch server"
	default:
		r.Ready, r.Version = true, said.Version
	}
	if err := a.printReadiness(r, asJSON); err != nil || r.Ready {
		return err
	}
	return &silentError{errors.New("the server is not ready")}
}

func (a *app) printReadiness(r readiness, asJSON bool) error {
	switch {
	case asJSON:
		return a.printJSON(r)
	case r.Ready:
		return a.print(fmt.Sprintf("ready: %s, version %s\n", r.Server, clean(r.Version)))
	default:
		a.tell("not ready: " + r.Reason + "\n")
		return nil
	}
}
