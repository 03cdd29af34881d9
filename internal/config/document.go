package config

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:generate sh -c "go run ../../cmd/hookswitch config --markdown > ../../docs/configuration.md"

//go:embed default.yaml
var defaultFile string

// Default returns the default file: every key with its documentation and its default, ready to be copied and changed.
func Default() string { return defaultFile }

// stanza is what the default file says about one key.
type stanza struct{ doc, value string }

// stanzas reads the default file. Its form is plain on purpose: comment lines, and below them `key: value` in one line.
func stanzas(text string) map[string]stanza {
	out := map[string]stanza{}
	var doc []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			doc = append(doc, strings.TrimPrefix(comment, " "))
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok {
			out[name] = stanza{doc: strings.Join(doc, "\n"), value: strings.Trim(strings.TrimSpace(value), `"[]`)}
		}
		doc = nil
	}
	return out
}

// head is the comment at the beginning of the default file.
func head(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		lines = append(lines, strings.TrimPrefix(strings.TrimRight(comment, "\n"), " "))
	}
	return strings.Join(lines, "\n")
}

// Markdown returns the reference of the configuration, which is kept as docs/configuration.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n<!-- Made from internal/config/default.yaml by `go generate ./internal/config`: change it there. -->\n\n")
	b.WriteString("```text\n" + head(Default()) + "\n```\n\n")
	b.WriteString("`hookswitch config` shows what is in force and where each value comes from; `hookswitch config --defaults` prints the\ndefault file, ready to be copied.\n\n")
	b.WriteString("| key | flag | environment | default |\n|---|---|---|---|\n")
	for _, k := range Keys() {
		value := "none"
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| [`%s`](#%s) | `--%s` | `%s` | %s |\n", k.Name, k.Name, k.Name, k.Env, value)
	}
	for _, k := range Keys() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", k.Name, k.Doc)
		if k.FileEnv != "" {
			fmt.Fprintf(&b, "\n`%s` may name a file that holds the value in one line, in place of `%s`.\n", k.FileEnv, k.Env)
		}
		if k.List {
			b.WriteString("\nIn the flag and the variable, commas stand between the entries; the file takes a YAML list too.\n")
		}
	}
	return b.String()
}

// YAML returns what is in force as a configuration file, each line with the place that its value came from. A secret is
// shown as three stars, so a file with one in it is to be completed before it is used.
func (c *Config) YAML() (string, error) {
	var b strings.Builder
	for _, s := range c.settings {
		var value any = s.Value
		if s.List {
			value = strings.FieldsFunc(s.Value, func(r rune) bool { return r == ',' || r == ' ' })
		}
		text, err := yaml.MarshalWithOptions(value, yaml.Flow(true))
		if err != nil {
			return "", fmt.Errorf("write %s: %w", s.Name, err)
		}
		fmt.Fprintf(&b, "%s: %s  # %s\n", s.Name, strings.TrimSpace(string(text)), s.Origin)
	}
	return b.String(), nil
}
