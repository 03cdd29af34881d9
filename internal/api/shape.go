package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// metaShape is the key of an operation's shape in its metadata.
const metaShape = "shape"

// shape is what the document says about a body, ready to be checked.
type shape struct {
	registry huma.Registry
	schema   *huma.Schema
	bytesMax int
	// optional bodies may be left out.
	optional bool
	// thorough bodies decode into a type that forgives, so that the schema must always be looked at.
	thorough bool
	// names are those of the fields at the top.
	names    []string
	patterns map[string]*regexp.Regexp
}

func newShape(r huma.Registry, t reflect.Type, bytesMax int) *shape {
	sh := &shape{registry: r, schema: r.Schema(t, true, ""), bytesMax: bytesMax, patterns: map[string]*regexp.Regexp{}}
	top := sh.resolve(sh.schema)
	sh.names = slices.Sorted(maps.Keys(top.Properties))
	sh.collectPatterns(top, map[*huma.Schema]bool{})
	return sh
}

func (sh *shape) collectPatterns(s *huma.Schema, seen map[*huma.Schema]bool) {
	s = sh.resolve(s)
	if s == nil || seen[s] {
		return
	}
	seen[s] = true
	if s.Pattern != "" {
		sh.patterns[s.Pattern] = regexp.MustCompile(s.Pattern)
	}
	sh.collectPatterns(s.Items, seen)
	for _, p := range s.Properties {
		sh.collectPatterns(p, seen)
	}
}

func (sh *shape) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = sh.registry.SchemaFromRef(s.Ref)
	}
	return s
}

// decode reads data into dst; meaning judges what was read, field by field. The common case, a good body, costs one
// decoding. at is where the data was, for the locations of what is wrong.
func (sh *shape) decode(data []byte, at string, dst any, meaning func() []hook.FieldError) ([]hook.FieldError, *Problem) {
	if !utf8.Valid(data) { // JSON between systems is UTF-8 (RFC 8259, section 8.1)
		return nil, newProblem(http.StatusBadRequest, "the body is not UTF-8")
	}
	err := json.Unmarshal(data, dst)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		if len(bytes.TrimSpace(data)) == 0 {
			return nil, newProblem(http.StatusBadRequest, "a body is needed")
		}
		return nil, newProblem(http.StatusBadRequest, fmt.Sprintf("the body is not JSON: %s, near byte %d", syntax.Error(), syntax.Offset))
	}
	wrong := meaning()
	if err == nil && len(wrong) == 0 && !sh.thorough && exactNames(data, sh.names) {
		return nil, nil
	}
	fields := sh.check(data, at)
	for _, f := range wrong {
		if !slices.ContainsFunc(fields, func(g hook.FieldError) bool { return covers(g.Field, f.Field) }) {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 && err != nil { // the schema lets through what the type cannot hold
		fields = append(fields, hook.FieldError{Field: at, Message: "cannot be read"})
	}
	return fields, nil
}

// covers reports whether a wrong field speaks for another: itself, or one within it.
func covers(field, other string) bool {
	rest, ok := strings.CutPrefix(other, field)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// exactNames reports whether data, which is valid JSON, is an object all of whose fields have one of the names in its
// exact case: encoding/json takes any case and ignores the unknown.
func exactNames(data []byte, names []string) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	if data[0] != '{' {
		return false
	}
	depth, name := 0, false
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			start := i + 1
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if name && depth == 1 && !slices.Contains(names, string(data[start:i])) {
				return false
			}
			name = false
		case '{', '[':
			depth++
			name = depth == 1
		case '}', ']':
			depth--
		case ',':
			name = depth == 1
		}
	}
	return true
}

// check lists what the schema forbids in data, which is valid JSON.
func (sh *shape) check(data []byte, at string) []hook.FieldError {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return []hook.FieldError{{Field: at, Message: "cannot be read"}}
	}
	k := &shapeCheck{shape: sh}
	k.value(sh.schema, at, v)
	return k.fields
}

// shapeCheck is one comparison of a body with a schema. It knows the parts of JSON Schema that our documents use.
type shapeCheck struct {
	*shape
	fields []hook.FieldError
}

func (k *shapeCheck) fail(at, value, format string, args ...any) {
	if len(k.fields) == fieldProblemsMax { // more are not told: see Problem.add
		return
	}
	k.fields = append(k.fields, hook.FieldError{Field: at, Message: fmt.Sprintf(format, args...), Value: value})
}

func (k *shapeCheck) value(s *huma.Schema, at string, v any) {
	nullable := s.Nullable
	if s = k.resolve(s); v == nil && (nullable || s.Nullable) {
		return
	}
	switch s.Type {
	case huma.TypeObject:
		if m, ok := v.(map[string]any); ok {
			k.object(s, at, m)
		} else {
			k.fail(at, scalar(v), "must be an object")
		}
	case huma.TypeArray:
		if list, ok := v.([]any); ok {
			k.array(s, at, list)
		} else {
			k.fail(at, scalar(v), "must be an array")
		}
	case huma.TypeString:
		if text, ok := v.(string); ok {
			k.text(s, at, text)
		} else {
			k.fail(at, scalar(v), "must be a text")
		}
	case huma.TypeInteger, huma.TypeNumber:
		if n, ok := v.(json.Number); ok {
			k.number(s, at, n)
		} else {
			k.fail(at, scalar(v), "must be a number")
		}
	case huma.TypeBoolean:
		if _, ok := v.(bool); !ok {
			k.fail(at, scalar(v), "must be true or false")
		}
	}
}

func (k *shapeCheck) object(s *huma.Schema, at string, m map[string]any) {
	for _, name := range s.Required {
		if m[name] == nil {
			k.fail(at+"."+name, "", "is required")
		}
	}
	if s.MaxProperties != nil && len(m) > *s.MaxProperties {
		k.fail(at, "", "has %d entries; at most %d are allowed", len(m), *s.MaxProperties)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		property, known := s.Properties[name]
		switch additional := s.AdditionalProperties.(type) {
		case *huma.Schema:
			if !known {
				property, known = additional, true
			}
		case bool:
			if !known && additional {
				continue
			}
		}
		switch {
		case !known:
			k.fail(at+"."+clip(name), "", "is not a field of this request")
		case m[name] != nil: // null is as good as absent, and the absence of what is required was told above
			k.value(property, at+"."+clip(name), m[name])
		case s.Properties[name] == nil && !property.Nullable:
			k.value(property, at+"."+clip(name), nil) // an entry of a map has no default
		}
	}
}

func (k *shapeCheck) array(s *huma.Schema, at string, list []any) {
	switch {
	case s.MinItems != nil && len(list) < *s.MinItems:
		k.fail(at, "", "has %d items; at least %d are needed", len(list), *s.MinItems)
	case s.MaxItems != nil && len(list) > *s.MaxItems:
		k.fail(at, "", "has %d items; at most %d are allowed", len(list), *s.MaxItems)
	default:
		for i, v := range list {
			k.value(s.Items, at+"["+strconv.Itoa(i)+"]", v)
		}
	}
}

// listed puts commas between values.
func listed(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}

func (k *shapeCheck) text(s *huma.Schema, at, text string) {
	n := utf8.RuneCountInString(text)
	switch {
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, any(text)):
		k.fail(at, text, "must be one of %s", listed(s.Enum))
	case n == 0 && s.MinLength != nil && *s.MinLength > 0:
		k.fail(at, "", "must not be empty")
	case s.MinLength != nil && n < *s.MinLength:
		k.fail(at, text, "is %d characters long; at least %d are needed", n, *s.MinLength)
	case s.MaxLength != nil && n > *s.MaxLength:
		k.fail(at, text, "is %d characters long; at most %d are allowed", n, *s.MaxLength)
	case s.Format == "uuid":
		if _, err := hook.ParseUUID(text); err != nil {
			k.fail(at, text, "must be a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
		}
	case s.Pattern != "" && !k.patterns[s.Pattern].MatchString(text):
		k.fail(at, text, "must be %s", s.PatternDescription)
	}
}

func (k *shapeCheck) number(s *huma.Schema, at string, n json.Number) {
	f, err := n.Float64()
	switch {
	case err != nil:
		k.fail(at, n.String(), "is too large a number")
	case s.Type == huma.TypeInteger && f != math.Trunc(f):
		k.fail(at, n.String(), "must be a whole number")
	case s.Minimum != nil && f < *s.Minimum:
		k.fail(at, n.String(), "must be at least %v", *s.Minimum)
	case s.Maximum != nil && f > *s.Maximum:
		k.fail(at, n.String(), "must be at most %v", *s.Maximum)
	}
}

// scalar is the text of a value that is repeated to the caller; objects and arrays are not.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}
