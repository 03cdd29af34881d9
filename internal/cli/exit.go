package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// exitCode is one row of the table of exit codes.
type exitCode struct {
	code    int
	meaning string
	// is tells whether an error has this code. The first row that says so wins.
	is func(error) bool
}

// exitFailed is the code of every error that no row knows.
const exitFailed = 1

// exitCodes is the one table from errors to exit codes.
func exitCodes() []exitCode {
	return []exitCode{
		{2, "usage: the command line or the configuration is wrong; nothing was done", isUsage},
		{3, "not found: the server knows no such record", anyOf(hook.ErrNotFound, status(404))},
		{4, "conflict: the state of the record, or an id or address that is in use already, forbids it", isConflict},
		{5, "not authorised: no key, a wrong key, or one that may not do this", anyOf(errNoKey, status(401), status(403))},
		{6, "unavailable: the server cannot be reached or cannot answer now; the same command may succeed later", isUnavailable},
		{7, "invalid: the server refused fields of the request; each one is named", anyOf(status(400), status(413), status(422))},
	}
}

// exitCodeOf returns the exit code of an error, or of success.
func exitCodeOf(err error) int {
	if err == nil {
		return 0
	}
	for _, row := range exitCodes() {
		if row.is(err) {
			return row.code
		}
	}
	return exitFailed
}

// exitCodesTopic is `hookswitch help exit-codes`.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Every command ends with one of these exit codes:\n\n")
	b.WriteString("  0  done\n  1  failed: anything that no other code names; also what `verify` and `demo` could not prove,\n     a `webhooks test` that the receiver did not acknowledge, and a `health` that is not\n")
	for _, row := range exitCodes() {
		fmt.Fprintf(&b, "  %d  %s\n", row.code, row.meaning)
	}
	fmt.Fprintf(&b, "\n%d or %d: a second Ctrl-C or SIGTERM ended it at once, in the middle of its graceful end.\n",
		exitSignal+int(syscall.SIGINT), exitSignal+int(syscall.SIGTERM))
	return &cobra.Command{
		Use:     "exit-codes",
		Short:   "What the exit codes mean",
		Long:    strings.TrimRight(b.String(), "\n"),
		Example: "  hookswitch interactions get $ID >interaction.json --json || test $? = 3 && echo unknown",
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func usageErrorf(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// Unwrap returns the error without its class.
func (e *usageError) Unwrap() error { return e.error }

// silentError ends a command with exit code 1 when it has said already why.
type silentError struct{ error }

func isUsage(err error) bool {
	_, usage := errors.AsType[*usageError](err)
	_, configuration := errors.AsType[*config.Error](err)
	_, keyset := errors.AsType[*keysetError](err)
	_, other := errors.AsType[*store.KeysetError](err)
	_, certificate := errors.AsType[*certificateError](err)
	return usage || configuration || keyset || other || certificate
}

func isConflict(err error) bool {
	_, conflict := errors.AsType[*hook.ConflictError](err)
	_, forbidden := errors.AsType[*conflictError](err)
	return conflict || forbidden || errors.Is(err, syscall.EADDRINUSE) || status(409)(err)
}

func isUnavailable(err error) bool {
	_, unreachable := errors.AsType[*unreachableError](err)
	return unreachable || errors.Is(err, hook.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) ||
		anyOf(status(429), status(502), status(503), status(504))(err)
}

// anyOf makes a row's test of sentinels and of other tests.
func anyOf(targets ...any) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			switch target := target.(type) {
			case func(error) bool:
				if target(err) {
					return true
				}
			case error:
				if errors.Is(err, target) {
					return true
				}
			}
		}
		return false
	}
}

// status tells whether an error is a problem document of this HTTP status.
func status(code int) func(error) bool {
	return func(err error) bool {
		problem, ok := errors.AsType[*problemError](err)
		return ok && problem.Status == code
	}
}

// report prints an error to standard error, once, in the form that its class deserves.
func (a *app) report(cmd *cobra.Command, err error) {
	if _, said := errors.AsType[*silentError](err); said {
		return
	}
	text := "hookswitch: " + err.Error() + "\n"
	if _, usage := errors.AsType[*usageError](err); usage {
		text += fmt.Sprintf("Run `%s --help` for what it takes.\n", cmd.CommandPath())
	}
	a.tell(text)
}
