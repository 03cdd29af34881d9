package cli

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/signature"
)

const verifyLong = `Verify the signatures of a webhook that was received: its headers and its body, byte for byte as they came. Every
signature header that is present is verified on its own, and a failure is explained: a wrong secret, a body that some
program has written anew, hex and base64 confused, and so on.

The exit code is 0 only when there is a signature and all that are there are right, and 1 otherwise.`

// verifyOptions are the flags of `verify`.
type verifyOptions struct {
	secrets     *secrets
	headers     []string
	headersFile string
	at          string
	tolerance   time.Duration
	json        bool
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [body-file]",
		Short: "Verify the signatures of a webhook, and say why they fail",
		Long:  verifyLong,
		Example: `  hookswitch verify body.json --secret-file app.secret -H 'X-Hub-Signature: sha1=01dc...'
  hookswitch sign body.json --secret-file app.secret | hookswitch verify body.json --secret-file app.secret --headers-file -`,
		Args: args("[body-file]"),
		RunE: func(_ *cobra.Command, given []string) error {
			path := "-"
			if len(given) > 0 {
				path = given[0]
			}
			return a.verify(path, o)
		},
	}
	o.secrets = a.secretFlags(cmd)
	cmd.Flags().StringArrayVarP(&o.headers, "header", "H", nil, "a header that was received, as `'Name: value'`")
	cmd.Flags().StringVar(&o.headersFile, "headers-file", "", "a file with the headers that were received, one in a line, - for standard input")
	cmd.Flags().StringVar(&o.at, "at", "", "when it was received, for the age of webhook-timestamp (default: now)")
	cmd.Flags().DurationVar(&o.tolerance, "tolerance", signature.ToleranceDefault, "how far webhook-timestamp may be from then")
	jsonFlag(cmd, &o.json)
	return cmd
}

func (a *app) verify(path string, o verifyOptions) error {
	stdins := 0
	for _, used := range []bool{path == "-", o.headersFile == "-", o.secrets.fromStdin()} {
		if used {
			stdins++
		}
	}
	if stdins > 1 {
		return usageErrorf("only one of the body, the headers and the secret can come from standard input")
	}
	keys, err := o.secrets.required()
	if err != nil {
		return err
	}
	header, err := a.readHeaders(o)
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
	checks := checkSignatures(signature.NewVerifier(keys...), header, body, at, o.tolerance, true)
	return a.printChecks(checks, body, o.json)
}

func (a *app) readHeaders(o verifyOptions) (http.Header, error) {
	lines := o.headers
	if o.headersFile != "" {
		text, err := a.readInput("--headers-file", o.headersFile)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			lines = append(lines, string(bytes.TrimRight(line, "\r\n")))
		}
	}
	header := http.Header{}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		switch {
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "POST "), strings.HasPrefix(line, "HTTP/"): // as `curl -v` and logs show them
		case !found:
			return nil, usageErrorf("the header %q is not of the form Name: value", clean(line))
		default:
			header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	return header, nil
}

// check is what came of one signature header.
type check struct {
	header string
	err    error
}

// checkSignatures verifies every signature header that is present on its own, or says that there is none. With search it also
// finds out what has changed where a signature is wrong, which takes much longer.
func checkSignatures(v *signature.Verifier, header http.Header, body []byte, at time.Time, tolerance time.Duration, search bool) []check {
	verify, verifyStandard := v.Check, v.CheckStandard
	if search {
		verify, verifyStandard = v.Verify, v.VerifyStandard
	}
	var out []check
	for _, name := range []string{signature.HubHeader, signature.Hub256Header} {
		if values := header.Values(name); len(values) > 0 {
			alone := http.Header{}
			alone[http.CanonicalHeaderKey(name)] = values
			out = append(out, check{name, verify(alone, body)})
		}
	}
	if len(header.Values(signature.StandardHeader)) > 0 {
		out = append(out, check{signature.StandardHeader, verifyStandard(header, body, at, tolerance)})
	}
	if len(out) == 0 {
		out = append(out, check{signature.HubHeader, verify(http.Header{}, body)})
	}
	return out
}

// failed returns the error of the first check that failed.
func failed(checks []check) error {
	for _, c := range checks {
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

// checkView is a check as --json shows it.
type checkView struct {
	Header      string `json:"header"`
	Verified    bool   `json:"verified"`
	Reason      string `json:"reason,omitempty"`
	Explanation string `json:"explanation,omitempty"`
}

func viewChecks(checks []check) []checkView {
	out := make([]checkView, len(checks))
	for i, c := range checks {
		out[i] = checkView{Header: c.header, Verified: c.err == nil, Explanation: signature.Explain(c.err)}
		out[i].Reason = reasonOf(c.err)
	}
	return out
}

// reasonOf returns the code of a failed verification, or nothing for another error.
func reasonOf(err error) string {
	if wrong, ok := errors.AsType[*signature.Error](err); ok {
		return string(wrong.Reason)
	}
	return ""
}

// explainChecks explains every reason of a failure once, with the other headers that fail for it: a wrong secret makes all of
// them wrong, and is one mistake.
func explainChecks(checks []check) []string {
	var out []string
	first, others := map[string]int{}, map[string][]string{}
	for _, c := range checks {
		if c.err == nil {
			continue
		}
		reason := reasonOf(c.err)
		if _, explained := first[reason]; explained && reason != "" {
			others[reason] = append(others[reason], c.header)
			continue
		}
		first[reason] = len(out)
		out = append(out, signature.Explain(c.err))
	}
	for reason, headers := range others {
		out[first[reason]] += " The same holds for " + strings.Join(headers, " and ") + "."
	}
	return out
}

func (a *app) printChecks(checks []check, body []byte, asJSON bool) error {
	problem := ""
	if _, err := interaction.Parse(body); err != nil {
		problem = err.Error()
	}
	err := failed(checks)
	if asJSON {
		document := struct {
			Verified    bool        `json:"verified"`
			Signatures  []checkView `json:"signatures"`
			BodyProblem string      `json:"bodyProblem,omitempty"`
		}{err == nil, viewChecks(checks), problem}
		if err := a.printJSON(document); err != nil {
			return err
		}
	} else if err := a.printVerdicts(checks, problem); err != nil {
		return err
	}
	if err != nil {
		return &silentError{err}
	}
	return nil
}

func (a *app) printVerdicts(checks []check, bodyProblem string) error {
	p := a.palette(a.StdoutTerminal)
	explained := map[string]bool{}
	for _, c := range viewChecks(checks) {
		line := p.paint(green, "verified") + "  " + c.Header + "\n"
		if !c.Verified {
			line = p.paint(red, "failed  ") + "  " + c.Header + ": " + c.Reason + "\n"
			if !explained[c.Reason] { // once for all the headers that one mistake makes wrong
				line += "          " + clean(c.Explanation) + "\n"
			}
			explained[c.Reason] = c.Reason != ""
		}
		if err := a.print(line); err != nil {
			return err
		}
	}
	if bodyProblem != "" {
		return a.print("note      the body is not that of an interactions webhook: " + clean(bodyProblem) + "\n")
	}
	return nil
}
