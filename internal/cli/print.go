package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// tell writes to standard error. That nobody can be told is no reason to fail, so there is no error.
func (a *app) tell(s string) {
	_, _ = io.WriteString(a.Stderr, s) // see above
}

// print writes what was asked for to standard output.
func (a *app) print(s string) error {
	if _, err := io.WriteString(a.Stdout, s); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// printJSON writes one document, indented, with its keys in the order in which it was made.
func (a *app) printJSON(document any) error {
	raw, ok := document.([]byte)
	if !ok {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(document); err != nil {
			return fmt.Errorf("encode output: %w", err)
		}
		raw = b.Bytes()
	}
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return a.print(readableJSON(b.Bytes()) + "\n")
}

// escapedJSON finds the escapes of &, < and >, which the server's encoder makes for HTML's sake, and, so that these are passed over,
// escaped backslashes.
var escapedJSON = regexp.MustCompile(`\\\\|\\u0026|\\u003[ceCE]`)

// readableJSON shows these as they are: a document is the same, and a command or a URL in it can be copied.
func readableJSON(raw []byte) string {
	return string(escapedJSON.ReplaceAllFunc(raw, func(escape []byte) []byte {
		switch strings.ToLower(string(escape)) {
		case `\u0026`:
			return []byte("&")
		case `\u003c`:
			return []byte("<")
		case `\u003e`:
			return []byte(">")
		default:
			return escape
		}
	}))
}

// printTable writes rows in columns that are as wide as they must be, without lines: good to read and to cut.
func (a *app) printTable(header []string, rows [][]string) error {
	t := table.NewWriter()
	t.SetStyle(table.Style{
		Box:    table.BoxStyle{PaddingRight: "  "},
		Format: table.FormatOptions{Header: text.FormatUpper},
	})
	t.SuppressTrailingSpaces()
	t.AppendHeader(cells(header))
	for _, row := range rows {
		t.AppendRow(cells(row))
	}
	return a.print(t.Render() + "\n")
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, s := range texts {
		row[i] = clean(s)
	}
	return row
}

// printFields writes one record, a field per line; fields without a value are left out.
func (a *app) printFields(fields ...[2]string) error {
	width := 0
	for _, f := range fields {
		if f[1] != "" {
			width = max(width, len(f[0]))
		}
	}
	var b strings.Builder
	for _, f := range fields {
		if f[1] != "" {
			fmt.Fprintf(&b, "%-*s  %s\n", width, f[0], clean(f[1]))
		}
	}
	return a.print(b.String())
}

// clean makes a text safe to print on a terminal: what a stranger sent must neither move the cursor nor break the line.
func clean(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }

// colour is an attribute of the terminal (ECMA-48, section 8.3.117, SGR).
type colour string

const (
	bold   colour = "1"
	dim    colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
)

// palette colours texts, or leaves them as they are.
type palette struct{ on bool }

// palette returns the colours of an output: none unless a terminal shows it and nobody asked for none
// (https://no-color.org).
func (a *app) palette(terminal bool) palette {
	return palette{on: terminal && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"}
}

func (p palette) paint(c colour, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}
