package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/internal/config"
)

// configFile is the variable that names the configuration file.
const configFile = config.EnvPrefix + "CONFIG"

// configFlags adds a flag for every key of the configuration; the result loads it when the command runs.
func (a *app) configFlags(cmd *cobra.Command) func() (*config.Config, error) {
	flags := cmd.Flags()
	path := flags.String("config", "", "the YAML file with the configuration (or "+configFile+")")
	lists := map[string]*[]string{}
	for _, k := range config.Keys() {
		usage := k.Usage() + " (or " + k.Env + ")"
		if k.Default != "" {
			usage += "; default " + k.Default
		}
		if k.List {
			lists[k.Name] = flags.StringSlice(k.Name, nil, usage)
		} else {
			flags.String(k.Name, "", usage)
		}
	}
	return func() (*config.Config, error) {
		file := *path
		if file == "" {
			file = a.env(configFile)
		}
		return config.Load(config.Sources{
			File: file,
			Env:  a.Env,
			Flag: func(name string) (string, bool) {
				if list, ok := lists[name]; ok {
					return strings.Join(*list, ","), flags.Changed(name)
				}
				f := flags.Lookup(name)
				return f.Value.String(), f.Changed
			},
		})
	}
}

func (a *app) configCommand() *cobra.Command {
	var defaults, markdown, asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration that is in force, and where each value comes from",
		Long: `Show the configuration that ` + "`serve`" + ` would use with the same flags, environment and file, as a YAML file that names
where each value comes from. It fails, naming every problem, where the configuration cannot be used.`,
		Example: "  hookswitch config --config /etc/hookswitch.yaml\n  hookswitch config --defaults >hookswitch.yaml   # documents every key",
		Args:    args(),
	}
	load := a.configFlags(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		if err := exclusive(cmd, "defaults", "markdown", "json"); err != nil {
			return err
		}
		switch {
		case defaults:
			return a.print(config.Default())
		case markdown:
			return a.print(config.Markdown())
		}
		c, err := load()
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(settings(c))
		}
		text, err := c.YAML()
		if err != nil {
			return err
		}
		return a.print(text)
	}
	cmd.Flags().BoolVar(&defaults, "defaults", false, "print the default file, which documents every key")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print the reference in docs/configuration.md")
	jsonFlag(cmd, &asJSON)
	return cmd
}

type setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

func settings(c *config.Config) []setting {
	var out []setting
	for _, s := range c.Settings() {
		out = append(out, setting{s.Name, s.Value, s.Origin})
	}
	return out
}
