package cli

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

const signLong = `Sign a body as a webhook does and print the headers. The body is a file, or standard input, and is signed byte for byte,
a line feed at its end included. The secret comes from HOOKSWITCH_SECRET or a file.

The headers are X-Hub-Signature (sha1), X-Hub-Signature-256 (sha256) and those of Standard Webhooks (standard).`

// signOptions are the flags of `sign`.
type signOptions struct {
	secrets    *secrets
	signatures []string
	id         string
	at         string
	curl       string
	json       bool
}

func (a *app) signCommand() *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign [body-file]",
		Short: "Sign a body as a webhook does",
		Long:  signLong,
		Example: `  HOOKSWITCH_SECRET=... hookswitch sign body.json
  hookswitch sign body.json --secret-file app.secret --curl http://127.0.0.1:8481/
  hookswitch sign body.json --secret-file app.secret | curl -H @- --data-binary @body.json http://127.0.0.1:8481/`,
		Args: args("[body-file]"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := exclusive(cmd, "curl", "json"); err != nil {
				return err
			}
			path := "-"
			if len(given) > 0 {
				path = given[0]
			}
			return a.sign(path, o)
		},
	}
	o.secrets = a.secretFlags(cmd)
	cmd.Flags().StringSliceVar(&o.signatures, "signatures", []string{"sha1", "sha256", "standard"}, "which signatures to make")
	cmd.Flags().StringVar(&o.id, "id", "", "the webhook-id (default: the operation id of the body, else a random one)")
	cmd.Flags().StringVar(&o.at, "at", "", "the webhook-timestamp, in seconds since 1970 or as 2006-01-02T15:04:05Z (default: now)")
	cmd.Flags().StringVar(&o.curl, "curl", "", "print a curl command that sends the signed body to this `URL`")
	jsonFlag(cmd, &o.json)
	return cmd
}

func (a *app) sign(path string, o signOptions) error {
	if path == "-" && o.secrets.fromStdin() {
		return usageErrorf("the body and the secret cannot both come from standard input")
	}
	keys, err := o.secrets.required()
	if err != nil {
		return err
	}
	body, err := a.readInput("body", path)
	if err != nil {
		return err
	}
	at, err := parseAt(o.at)
	if err != nil {
		return err
	}
	headers, err := o.headers(keys[0], body, at)
	if err != nil {
		return err
	}
	switch {
	case o.json:
		object := map[string]string{}
		for _, h := range headers {
			object[h[0]] = h[1]
		}
		return a.printJSON(map[string]any{"headers": object})
	case o.curl != "":
		return a.print(curlLine(o.curl, path, body, headers))
	}
	for _, h := range headers {
		if err := a.print(h[0] + ": " + h[1] + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// headers makes the headers of a signed POST, in a fixed order.
func (o *signOptions) headers(secret, body []byte, at time.Time) ([][2]string, error) {
	out := [][2]string{{"Content-Type", interaction.ContentType}}
	signer := signature.NewSigner(secret)
	for _, name := range o.signatures {
		if !slices.Contains([]string{"sha1", "sha256", "standard"}, name) {
			return nil, usageErrorf("--signatures: %q is none of sha1, sha256, standard", name)
		}
	}
	wanted := func(name string) bool { return slices.Contains(o.signatures, name) }
	if wanted("sha1") {
		out = append(out, [2]string{signature.HubHeader, signer.Hub(body)})
	}
	if wanted("sha256") {
		out = append(out, [2]string{signature.Hub256Header, signer.Hub256(body)})
	}
	if wanted("standard") {
		if _, err := signature.StandardKey(string(secret)); err != nil {
			return nil, usageErrorf("the secret begins with %s but is not base64 behind it, as Standard Webhooks wants", signature.SecretPrefix)
		}
		id := o.messageID(body)
		out = append(out,
			[2]string{signature.IDHeader, id},
			[2]string{signature.TimestampHeader, strconv.FormatInt(at.Unix(), 10)},
			[2]string{signature.StandardHeader, signer.Standard(id, at, body)})
	}
	return out, nil
}

func (o *signOptions) messageID(body []byte) string {
	if o.id != "" {
		return o.id
	}
	if p, err := interaction.Parse(body); err == nil {
		return p.OperationID
	}
	return uuid.NewString()
}

// parseAt reads an instant as a person or a header writes it; an empty text is now.
func parseAt(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usageErrorf("%q is neither seconds since 1970 nor a time such as 2006-01-02T15:04:05Z", text)
	}
	return at, nil
}

func curlLine(url, path string, body []byte, headers [][2]string) string {
	var b strings.Builder
	b.WriteString("curl -i")
	for _, h := range headers {
		b.WriteString(" -H " + shellQuote(h[0]+": "+h[1]))
	}
	data := " --data-binary " + shellQuote("@"+path)
	if path == "-" {
		data = " --data-raw " + shellQuote(string(body)) // standard input is used up: the body travels in the line
	}
	b.WriteString(data + " " + shellQuote(url) + "\n")
	return b.String()
}

// shellQuote quotes a text for a POSIX shell (POSIX.1-2017, Shell Command Language, section 2.2.2).
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
