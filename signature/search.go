package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"
)

const (
	// SearchBytesMax is the largest body for which a failed verification looks for the change that explains it. What
	// the search costs depends on the body and the number of secrets, not on what they are: at most thirteen spellings, none of them longer
	// than six times the body. For a body of this size it takes some tenths of a second, for one of the usual size some
	// tens of microseconds.
	SearchBytesMax = 1 << 20
	// indentedBytesMax bounds one indented spelling, which could otherwise grow with the square of a deeply nested body.
	indentedBytesMax = 4 * SearchBytesMax
)

// spellings yields other ways to write body, with words that complete "the signature of this body …". They are what
// careless programs make of JSON that passes through them.
func spellings(body []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, s := range lineEnds(body) {
			if !yield(s.change, s.body) {
				return
			}
		}
		if !json.Valid(body) {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, body); err != nil {
			return
		}
		for _, write := range []func(original, compact []byte) spelling{
			compacted, unescaped, escapedHTML, reencodedHTML, reencoded, contractOrder,
			func(_, compact []byte) spelling { return indented(compact, "  ", "indented by two spaces") },
			func(_, compact []byte) spelling { return indented(compact, "    ", "indented by four spaces") },
		} {
			s := write(body, compact.Bytes())
			if s.body != nil && !yield(s.change, s.body) {
				return
			}
		}
	}
}

// spelling is one way to write a body; its body is nil where there is none.
type spelling struct {
	change string
	body   []byte
}

func lineEnds(body []byte) []spelling {
	lf := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	return []spelling{
		{"without the line end at its end", bytes.TrimRight(body, "\r\n")},
		{"with a line feed at its end", append(bytes.Clone(body), '\n')},
		{"with CR LF at its end", append(bytes.Clone(body), "\r\n"...)},
		{"with LF in place of its CR LF line ends", lf},
		{"with CR LF in place of its LF line ends", bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n"))},
	}
}

func compacted(_, compact []byte) spelling {
	return spelling{"compacted, without white space between its values", compact}
}

// unescaped writes every string with as few escapes as JSON allows: PHP, for one, adds \/ and \u00e9.
func unescaped(_, compact []byte) spelling {
	out := make([]byte, 0, len(compact))
	for i := 0; i < len(compact); i++ {
		if compact[i] != '"' {
			out = append(out, compact[i])
			continue
		}
		end := i + 1
		for ; compact[end] != '"'; end++ {
			if compact[end] == '\\' {
				end++
			}
		}
		out = appendUnescaped(out, compact[i:end+1])
		i = end
	}
	return spelling{`compacted, with no needless escapes such as \/ or \u0026 in its strings`, out}
}

func appendUnescaped(out, quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return append(out, quoted...)
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return append(out, quoted...)
	}
	plain, err := encode(text)
	if err != nil {
		return append(out, quoted...)
	}
	return append(out, plain...)
}

func escapedHTML(_, compact []byte) spelling {
	var out bytes.Buffer
	json.HTMLEscape(&out, compact)
	return spelling{`compacted, with <, > and & escaped as \u003c, \u003e and \u0026`, out.Bytes()}
}

func reencodedHTML(original, _ []byte) spelling {
	var value any
	if err := json.Unmarshal(original, &value); err != nil {
		return spelling{}
	}
	out, err := json.Marshal(value)
	if err != nil {
		return spelling{}
	}
	return spelling{"decoded and encoded again, its fields sorted by name and HTML escaped", out}
}

func reencoded(original, _ []byte) spelling {
	var value any
	if err := json.Unmarshal(original, &value); err != nil {
		return spelling{}
	}
	out, err := encode(value)
	if err != nil {
		return spelling{}
	}
	return spelling{"decoded and encoded again, its fields sorted by name", out}
}

// contract has the fields of the webhook's body in the contract's order, so that a body whose fields were sorted can
// be put back into the order in which it was signed. Package interaction defines it; this package depends on none.
type contract struct {
	OperationID string `json:"operationId"`
	Data        struct {
		Entities []contractEvent `json:"entities"`
	} `json:"data"`
}

type contractEvent struct {
	Event  string `json:"event"`
	Entity struct {
		ID        string `json:"id"`
		MediaType string `json:"mediaType"`
		Subtype   string `json:"interactionSubtype"`
		SelfURI   string `json:"selfUri"`
	} `json:"entity"`
}

func contractOrder(original, _ []byte) spelling {
	var value contract
	if err := json.Unmarshal(original, &value); err != nil || value.OperationID == "" {
		return spelling{}
	}
	out, err := encode(value)
	if err != nil {
		return spelling{}
	}
	return spelling{"with its fields in the order of the webhook's contract", out}
}

func indented(compact []byte, indent, change string) spelling {
	if indentedBytes(compact, len(indent)) > indentedBytesMax {
		return spelling{}
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", indent); err != nil {
		return spelling{}
	}
	return spelling{change, out.Bytes()}
}

// indentedBytes is at least the length of compact once indented. It takes a bracket within a string for one of the
// structure: that errs on the large side by no more than skipping a spelling.
func indentedBytes(compact []byte, width int) int {
	n, depth := len(compact), 0
	for _, c := range compact {
		switch c {
		case '{', '[':
			depth++
			n += 1 + depth*width
		case '}', ']':
			depth = max(depth-1, 0)
			n += 1 + depth*width
		case ',':
			n += 1 + depth*width
		case ':':
			n++
		}
	}
	return n
}

// encode is json.Marshal without HTML escaping.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// misreadings yields keys that a program could have made of secret by mistake, with words that complete "made with
// this secret …". Only the other side's mistakes can be found so, or ours when its own reading was right.
func misreadings(secret []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		trimmed := bytes.TrimSpace(secret)
		encoded := bytes.TrimPrefix(trimmed, []byte(SecretPrefix))
		// Errors are ignored: a failed decoding gives what came before the failure, a key that is as harmless as any wrong one.
		fromBase64, _ := base64.StdEncoding.DecodeString(string(encoded))
		fromHex, _ := hex.DecodeString(string(trimmed))
		_ = yield("as text, its prefix "+SecretPrefix+" included", secret) &&
			yield("without the white space around it", trimmed) &&
			yield("and a line feed after it", append(bytes.Clone(secret), '\n')) &&
			yield("as text, without its prefix "+SecretPrefix, encoded) &&
			yield("decoded from base64", fromBase64) &&
			yield("decoded from hexadecimal", fromHex)
	}
}
