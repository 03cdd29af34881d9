package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

const (
	// inputBytesMax bounds every file that a command reads whole.
	inputBytesMax = 16 << 20
	// secretEnv is the variable with the app secret of a webhook.
	secretEnv = "HOOKSWITCH_SECRET" //nolint:gosec // the name of a variable, not a secret
)

// readInput reads a file, or standard input when the path is "-", within inputBytesMax. A file that cannot be read is a wrong
// command line; the error names the flag or the argument that asked for it.
func (a *app) readInput(asker, path string) (data []byte, err error) {
	r := a.Stdin
	if path != "-" {
		f, failure := os.Open(path)
		if failure != nil {
			return nil, usageErrorf("%s: %w", asker, failure)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		r = f
	}
	data, err = io.ReadAll(io.LimitReader(r, inputBytesMax+1))
	switch {
	case err != nil && path != "-":
		return nil, usageErrorf("%s: %w", asker, err)
	case err != nil:
		return nil, fmt.Errorf("%s: read standard input: %w", asker, err)
	case len(data) > inputBytesMax:
		return nil, fmt.Errorf("read %s: it is larger than %d bytes", path, inputBytesMax)
	}
	return data, nil
}

// readLine reads the first line of a file, as a key or a secret is kept in one: editors end it with a line feed.
func (a *app) readLine(asker, path string) (string, error) {
	data, err := a.readInput(asker, path)
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
		return "", usageErrorf("%s: the first line is empty", path)
	}
	return string(line), nil
}

// secrets are the places that app secrets may come from.
type secrets struct {
	app    *app
	values []string
	files  []string
}

// secretFlags adds the flags for app secrets.
func (a *app) secretFlags(cmd *cobra.Command) *secrets {
	s := &secrets{app: a}
	cmd.Flags().StringArrayVar(&s.values, "secret", nil, "the app `secret`; others on this machine can see it, so prefer "+secretEnv+" or --secret-file")
	cmd.Flags().StringArrayVar(&s.files, "secret-file", nil, "a `file` with the app secret in its first line, - for standard input")
	return s
}

// read returns the secrets that were given: by flags, or else by the environment. Several are given during a rotation.
func (s *secrets) read() ([][]byte, error) {
	var out [][]byte
	for _, value := range s.values {
		if value == "" {
			return nil, usageErrorf("--secret is empty: everybody could sign with it")
		}
		out = append(out, []byte(value))
	}
	for _, path := range s.files {
		line, err := s.app.readLine("--secret-file", path)
		if err != nil {
			return nil, err
		}
		out = append(out, []byte(line))
	}
	if value := s.app.env(secretEnv); len(out) == 0 && value != "" {
		out = append(out, []byte(value))
	}
	return out, nil
}

// required is read where nothing can be done without a secret.
func (s *secrets) required() ([][]byte, error) {
	out, err := s.read()
	if err == nil && len(out) == 0 {
		return nil, usageErrorf("no app secret: set %s, or give --secret-file FILE", secretEnv)
	}
	return out, err
}

// fromStdin tells whether one of the secrets is read from standard input, which then holds nothing else.
func (s *secrets) fromStdin() bool {
	return strings.Contains("\n"+strings.Join(s.files, "\n")+"\n", "\n-\n")
}
