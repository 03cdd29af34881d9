package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hookswitch/hookswitch/client"
)

// secretFile is a flag that names a file whose text becomes a setting.
type secretFile struct {
	flag, file string
	// whole is whether all of the file counts, and not its first line alone.
	whole bool
	path  []string
}

// credentialsFlags adds the flags for what a webhook shows its receiver. Everybody on a machine can read the command line of a process, so
// what is secret comes from files.
func (w *webhookSettings) credentialsFlags() {
	flags := w.cmd.Flags()
	flags.Func("header", "a header of your own, as `'Name: value'`; may be given several times. Others on this machine can see it, so prefer --header-file for a token", w.header)
	flags.StringArrayVar(&w.headerFiles, "header-file", nil, "a `file` with headers of your own, one 'Name: value' in each line, - for standard input")
	w.kind("basic-user", "send Authorization: Basic with this user `name`", "basic", "username")
	w.secretFile("basic-password-file", "a `file` with the password in its first line, - for standard input", "basic", "password")
	w.kind("oauth2-token-url", "send bearer tokens of this token endpoint (OAuth2 client credentials)", "oauth2", "tokenUrl")
	w.kind("oauth2-client-id", "the client's id", "oauth2", "clientId")
	w.secretFile("oauth2-client-secret-file", "a `file` with the client's secret in its first line, - for standard input", "oauth2", "clientSecret")
	flags.Func("oauth2-scope", "a scope to ask for; may be given several times, or several with spaces or commas between them", func(text string) error {
		w.authorized("oauth2")
		w.scopes = append(w.scopes, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })...)
		w.set(w.scopes, "authorization", "scopes")
		return nil
	})
	w.kind("oauth2-audience", "the audience to ask for, where the server wants one", "oauth2", "audience")
	flags.BoolFunc("oauth2-in-body", "send the client's id and secret in the body, for servers that do not take Basic", func(text string) error {
		w.authorized("oauth2")
		w.set(text == "true", "authorization", "inBody")
		return nil
	})
	w.pem("client-cert", "a PEM `file` with a client certificate, and the intermediate ones behind it", "certificate")
	w.pem("client-key", "a PEM `file` with its private key, not encrypted", "key")
	w.pem("ca", "a PEM `file` with the roots that verify the receiver, in place of the server's own", "roots")
}

// removalFlags adds the flags that remove what is stored.
func (w *webhookSettings) removalFlags() {
	w.cmd.Flags().BoolFunc("no-authorization", "send no Authorization header any more", func(string) error {
		w.set(nil, "authorization")
		return nil
	})
	w.cmd.Flags().BoolFunc("no-tls", "use no client certificate and no roots of its own any more", func(string) error {
		w.set(nil, "tls")
		return nil
	})
	w.cmd.Flags().Func("no-header", "remove the header of this `name`; may be given several times", func(name string) error {
		w.set(nil, "headers", name)
		return nil
	})
}

func (w *webhookSettings) header(text string) error {
	name, value, found := strings.Cut(text, ":")
	if !found {
		return errors.New("it is not of the form Name: value") // and is not repeated: it may be a credential
	}
	w.set(strings.TrimSpace(value), "headers", strings.TrimSpace(name))
	return nil
}

// authorized sets which kind of authorization the flags are about.
func (w *webhookSettings) authorized(kind string) {
	if !slices.Contains(w.kinds, kind) {
		w.kinds = append(w.kinds, kind)
	}
	w.set(kind, "authorization", "type")
}

func (w *webhookSettings) kind(flag, usage, kind, name string) {
	w.cmd.Flags().Func(flag, usage, func(text string) error {
		w.authorized(kind)
		w.set(text, "authorization", name)
		return nil
	})
}

func (w *webhookSettings) secretFile(flag, usage, kind, name string) {
	w.cmd.Flags().Func(flag, usage, func(file string) error {
		w.authorized(kind)
		w.files = append(w.files, secretFile{flag: "--" + flag, file: file, path: []string{"authorization", name}})
		return nil
	})
}

func (w *webhookSettings) pem(flag, usage, name string) {
	w.cmd.Flags().Func(flag, usage, func(file string) error {
		w.files = append(w.files, secretFile{flag: "--" + flag, file: file, whole: true, path: []string{"tls", name}})
		return nil
	})
}

// readFiles puts what is in the files into the settings.
func (w *webhookSettings) readFiles(a *app) error {
	if len(w.kinds) > 1 {
		return usageErrorf("a webhook has one authorization: give the --basic flags or the --oauth2 flags")
	}
	if w.cmd.Flags().Changed("no-authorization") && len(w.kinds) > 0 {
		return usageErrorf("--no-authorization goes with neither the --basic nor the --oauth2 flags: another kind takes the place of the one before by itself")
	}
	for _, flag := range []string{"client-cert", "client-key", "ca"} {
		if err := exclusive(w.cmd, "no-tls", flag); err != nil {
			return err
		}
	}
	if w.fromStdin() > 1 {
		return usageErrorf("standard input can be read for one flag only")
	}
	for _, f := range w.files {
		var text string
		var err error
		if f.whole {
			var raw []byte
			raw, err = a.readInput(f.flag, f.file)
			text = string(raw)
		} else {
			text, err = a.readLine(f.flag, f.file)
		}
		if err != nil {
			return err
		}
		w.set(text, f.path...)
	}
	for _, file := range w.headerFiles {
		raw, err := a.readInput("--header-file", file)
		if err != nil {
			return err
		}
		number := 0
		for line := range strings.Lines(string(raw)) {
			number++
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if err := w.header(line); err != nil {
				return usageErrorf("--header-file %s: line %d: %w", file, number, err)
			}
		}
	}
	return nil
}

// fromStdin counts the flags that read standard input.
func (w *webhookSettings) fromStdin() int {
	n := 0
	for _, f := range w.files {
		if f.file == "-" {
			n++
		}
	}
	for _, file := range append(slices.Clone(w.headerFiles), w.file) {
		if file == "-" {
			n++
		}
	}
	if w.secrets != nil && w.secrets.fromStdin() {
		n++
	}
	return n
}

// credentialsFields are the fields of a webhook about what it shows its receiver.
func credentialsFields(w client.Webhook) [][2]string {
	fields := [][2]string{{"headers", headersOf(w.Headers)}}
	if a := w.Authorization; a != nil {
		text := string(a.Type)
		for _, part := range []struct {
			name  string
			value *string
		}{{"user", a.Username}, {"token URL", a.TokenUrl}, {"client", a.ClientId}, {"audience", a.Audience}} {
			if part.value != nil {
				text += fmt.Sprintf("; %s %s", part.name, *part.value)
			}
		}
		if a.Scopes != nil {
			text += "; scopes " + strings.Join(*a.Scopes, " ")
		}
		if a.InBody != nil && *a.InBody {
			text += "; in the body"
		}
		fields = append(fields, [2]string{"authorization", text})
	}
	if w.Tls != nil {
		fields = append(fields, [2]string{"client certificate", certificatesOf(w.Tls.Certificate)}, [2]string{"roots", certificatesOf(w.Tls.Roots)})
	}
	return fields
}

func certificatesOf(list *[]client.Certificate) string {
	if list == nil {
		return ""
	}
	texts := make([]string, len(*list))
	for i, c := range *list {
		texts[i] = fmt.Sprintf("%s, issued by %s, until %s, SHA-256 %s", c.Subject, c.Issuer, timeOf(&c.NotAfter), c.Fingerprint)
	}
	return strings.Join(texts, "; ")
}

func headersOf(headers *map[string]string) string {
	if headers == nil {
		return ""
	}
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(*headers)) {
		texts = append(texts, name+": "+(*headers)[name])
	}
	return strings.Join(texts, "; ")
}
