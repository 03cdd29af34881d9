package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseFile reads the texts of a YAML file with their lines. It walks the syntax tree instead of decoding, so that every
// value keeps its line and every wrong key is reported, not only the first.
func parseFile(path string, text []byte) (map[string]given, []Problem) {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, []Problem{syntaxProblem(path, err)}
	}
	r := &fileReader{path: path, values: map[string]given{}}
	for i, doc := range tree.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.CommentGroupNode:
		case *ast.MappingNode:
			if i > 0 {
				r.fail("", body.GetToken(), "the file holds more than one document")
				break
			}
			for _, entry := range body.Values {
				r.entry(entry)
			}
		default:
			r.fail("", body.GetToken(), "the file is not a list of lines such as `listen: 127.0.0.1:8480`")
		}
	}
	return r.values, r.problems
}

type fileReader struct {
	path     string
	values   map[string]given
	problems []Problem
}

func (r *fileReader) entry(entry *ast.MappingValueNode) {
	name := entry.Key.GetToken().Value
	row, known := findKey(name)
	if !known {
		message := "is not a key of the configuration"
		if near := nearest(name); near != "" {
			message += ": did you mean " + near + "?"
		}
		r.fail(name, entry.Key.GetToken(), message)
		return
	}
	text, ok := scalar(entry.Value)
	if list, isList := entry.Value.(*ast.SequenceNode); isList && row.list {
		items := make([]string, len(list.Values))
		ok = true
		for i, item := range list.Values {
			var fine bool
			items[i], fine = scalar(item)
			ok = ok && fine
		}
		text = strings.Join(items, ",")
	}
	if !ok {
		want := "must be a plain text"
		if row.list {
			want = "must be a list of plain texts"
		}
		r.fail(name, entry.Key.GetToken(), want)
		return
	}
	r.values[name] = given{text, r.origin(entry.Key.GetToken())}
}

// scalar returns a value as the text that it was written as: 090 stays 090, and on stays on.
func scalar(node ast.Node) (string, bool) {
	switch node := node.(type) {
	case *ast.NullNode:
		return "", true
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(node.Value.Value), true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

func (r *fileReader) fail(name string, at *token.Token, message string) {
	r.problems = append(r.problems, Problem{Key: name, Origin: r.origin(at), Message: message, Excerpt: excerpt(at)})
}

func (r *fileReader) origin(at *token.Token) string {
	if at == nil || at.Position == nil {
		return r.path
	}
	return fmt.Sprintf("%s:%d", r.path, at.Position.Line)
}

func syntaxProblem(path string, err error) Problem {
	var located yaml.Error
	if !errors.As(err, &located) {
		return Problem{Origin: path, Message: "the file is not YAML: " + err.Error()}
	}
	r := fileReader{path: path}
	at := located.GetToken()
	return Problem{Origin: r.origin(at), Message: "the file is not YAML: " + located.GetMessage(), Excerpt: excerpt(at)}
}

var (
	// excerptLine is a line of an excerpt: its number, and what the file has there.
	excerptLine = regexp.MustCompile(`^(>?\s*\d+ \| )(.*)$`)
	// namedLine is a line of a file that begins a key.
	namedLine = regexp.MustCompile(`^(["']?([^\s"':#]+)["']?\s*:)(.*)$`)
)

// excerpt shows the lines around a token, without the values of secret keys: only what belongs to a key that is known to be none, or is
// spelled nearly as one, is shown. A value may be on many lines, the first of them above the excerpt.
func excerpt(at *token.Token) string {
	text := yaml.FormatErrorWithToken("", at, false, true)
	_, text, _ = strings.Cut(text, "\n") // the first line is the position, which the origin says already
	lines, open := strings.Split(text, "\n"), false
	for i, line := range lines {
		parts := excerptLine.FindStringSubmatch(line)
		if parts == nil {
			continue // the mark below a line
		}
		named := namedLine.FindStringSubmatch(parts[2])
		if named != nil {
			open = mayBeShown(named[2])
		}
		switch {
		case open || strings.TrimSpace(parts[2]) == "":
		case named != nil:
			lines[i] = parts[1] + named[1] + " ***"
		default:
			lines[i] = parts[1] + "***"
		}
	}
	return HidePassword(strings.Join(lines, "\n"))
}

// mayBeShown reports whether the value of what stands for a key is no secret.
func mayBeShown(name string) bool {
	k, known := findKey(name)
	if !known {
		k, known = findKey(nearest(name))
	}
	return known && !k.secret
}

func findKey(name string) (key, bool) {
	for _, k := range keys() {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

// nearest returns the key that was probably meant, or nothing: the one that differs in the case, in an underscore, or in
// at most two letters.
func nearest(name string) string {
	folded := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	best, least := "", 3
	for _, k := range keys() {
		if d := distance(folded, k.name); d < least {
			best, least = k.name, d
		}
	}
	return best
}

// distance is how many letters must be inserted, removed or replaced to turn a into b (Levenshtein's measure).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
