package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const rootLong = `Hookswitch tells third-party systems that a chat or a secure e-mail in a contact centre has STARTED or FINISHED:
signed, in order, retried, and committed to disk before it is acknowledged.

  see it work      hookswitch demo
  run it           hookswitch serve
  receive from it  hookswitch listen`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "hookswitch",
		Short:         "Webhooks for the interactions of a contact centre",
		Long:          rootLong,
		Example:       "  hookswitch demo --for 10s",
		SilenceErrors: true, // report prints them
		SilenceUsage:  true,
	}
	makeGroup(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddGroup(
		&cobra.Group{ID: groupServer, Title: "The server:"},
		&cobra.Group{ID: groupReceiver, Title: "For those who receive webhooks:"},
		&cobra.Group{ID: groupClient, Title: "What a running server knows and does:"},
		&cobra.Group{ID: groupProgram, Title: "This program:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add(groupServer, a.demoCommand(), a.serveCommand(), a.configCommand(), a.backupCommand(), a.migrateCommand())
	add(groupReceiver, a.listenCommand(), a.signCommand(), a.verifyCommand())
	add(groupClient, a.healthCommand(), a.interactionsCommand(), a.webhooksCommand(), a.deliveriesCommand(), a.replayCommand(),
		a.eventsCommand(), a.noticesCommand(), a.contactCentersCommand(), a.keysCommand(), a.auditCommand())
	add(groupProgram, a.versionCommand())
	root.SetHelpCommandGroupID(groupProgram)
	root.SetCompletionCommandGroupID(groupProgram)
	root.AddCommand(exitCodesTopic())
	return root
}

// The groups of the help.
const (
	groupServer   = "server"
	groupReceiver = "receiver"
	groupClient   = "client"
	groupProgram  = "program"
)

// makeGroup makes a command that only holds others: without arguments it shows its help, and an unknown one is an error
// with a suggestion (cobra would show the help of a nested group and exit with 0).
func makeGroup(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		message := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := slices.Compact(cmd.SuggestionsFor(args[0])); len(near) > 0 {
			message += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return usageErrorf("%s", message)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// args demands one argument per name, and at most that many; a name in brackets may be left out.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		command := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ") // the report says the program's name
		for i, name := range names {
			if i >= len(given) && !strings.HasPrefix(name, "[") {
				return usageErrorf("%s needs %s: %s", command, name, strings.TrimSpace(cmd.UseLine()))
			}
		}
		if len(given) > len(names) {
			return usageErrorf("%s takes no argument %q", command, given[len(names)])
		}
		return nil
	}
}

// exclusive demands that at most one of these flags was given.
func exclusive(cmd *cobra.Command, names ...string) error {
	given := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !cmd.Flags().Changed(name) })
	if len(given) > 1 {
		return usageErrorf("--%s cannot be given together", strings.Join(given, " and --"))
	}
	return nil
}
