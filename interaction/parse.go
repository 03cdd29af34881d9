package interaction

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// ProblemsMax bounds how many problems one ParseError lists, so that a hostile body cannot make a large error of a
	// small request.
	ProblemsMax = 100
	// valueBytesMax bounds how much of a wrong value a problem quotes.
	valueBytesMax = 64
)

// ParseError says everything that is wrong with a body.
type ParseError struct {
	// Problems holds at most ProblemsMax problems, in the order of the contract's fields.
	Problems []Problem
	// Omitted counts the problems beyond ProblemsMax.
	Omitted int
}

// Problem is one wrong field.
type Problem struct {
	// Path names the field, for example "data.entities[0].entity.id"; it is empty when the body as a whole is wrong.
	Path string
	// Message says what is wrong with it.
	Message string
}

// Error lists every problem in one line.
func (e *ParseError) Error() string {
	var b strings.Builder
	b.WriteString("parse body: ")
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Path != "" {
			b.WriteString(p.Path)
			b.WriteByte(' ')
		}
		b.WriteString(p.Message)
	}
	if e.Omitted > 0 {
		fmt.Fprintf(&b, "; and %d more", e.Omitted)
	}
	return b.String()
}

func (e *ParseError) add(path, message string) {
	if len(e.Problems) == ProblemsMax {
		e.Omitted++
		return
	}
	e.Problems = append(e.Problems, Problem{Path: path, Message: message})
}

// Parse reads the body of a webhook POST. Fields that are not of the contract are ignored, because a newer sender may
// add some; fields that are must be present once, spelt exactly and well-formed. The error is always a *ParseError.
func Parse(body []byte) (Payload, error) {
	var wrong ParseError
	if !utf8.Valid(body) {
		// RFC 8259 section 8.1. encoding/json would replace the bytes in silence.
		wrong.add("", "is not UTF-8")
		return Payload{}, &wrong
	}
	if !json.Valid(body) {
		wrong.add("", syntaxProblem(body))
		return Payload{}, &wrong
	}
	p := parser{wrong: &wrong}
	root := p.object("", "", bytes.Trim(body, " \t\r\n"), "operationId", "data")
	payload := Payload{OperationID: p.text("", "operationId", root[0])}
	data := p.object("", "data", root[1], "entities")
	payload.Entities = p.entities("data.", "entities", data[0])
	if len(wrong.Problems) > 0 {
		return Payload{}, &wrong
	}
	return payload, nil
}

// syntaxProblem says why body is not one JSON value.
func syntaxProblem(body []byte) string {
	var value json.RawMessage
	err := json.Unmarshal(body, &value)
	var at *json.SyntaxError
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return "is empty"
	case errors.As(err, &at):
		return fmt.Sprintf("is not JSON: %v (at byte %d)", at, at.Offset)
	}
	return "is not JSON"
}

// fieldsMax is the largest number of fields of one object of the contract.
const fieldsMax = 4

// parser collects problems while it reads the values of a body that is known to be valid JSON. Every method takes the
// value, nil when its field is missing or its parent was refused, and the value's path in two parts, which are joined
// only when there is a problem to report.
type parser struct {
	wrong *ParseError
}

func (p parser) add(prefix, name, message string) {
	p.wrong.add(prefix+name, message)
}

// object reads the values of the fields that are named known, in that order, and ignores the others.
func (p parser) object(prefix, name string, value json.RawMessage, known ...string) (fields [fieldsMax]json.RawMessage) {
	if !p.present(prefix, name, value) {
		return fields
	}
	if value[0] != '{' {
		p.add(prefix, name, "must be an object, not "+kind(value))
		return fields
	}
	path := prefix + name
	eachMember(value, func(name, value json.RawMessage) {
		field := slices.Index(known, unquote(name))
		if field < 0 {
			return
		}
		if fields[field] != nil {
			// Refused, not resolved: RFC 8259 section 4 leaves open which of them counts, so two programs that read
			// the same signed body could understand different things.
			p.wrong.add(join(path, known[field]), "occurs more than once")
			return
		}
		fields[field] = value
	})
	for i, field := range known {
		if fields[i] == nil {
			p.wrong.add(join(path, field), "is missing")
		}
	}
	return fields
}

func (p parser) entities(prefix, name string, value json.RawMessage) []EntityEvent {
	if !p.present(prefix, name, value) {
		return nil
	}
	if value[0] != '[' {
		p.add(prefix, name, "must be an array, not "+kind(value))
		return nil
	}
	var entities []EntityEvent
	eachItem(value, func(item json.RawMessage) {
		entities = append(entities, p.entityEvent(prefix+name+"["+strconv.Itoa(len(entities))+"]", item))
	})
	if len(entities) == 0 {
		p.add(prefix, name, "must hold at least one event")
	}
	return entities
}

func (p parser) entityEvent(path string, value json.RawMessage) EntityEvent {
	fields := p.object(path, "", value, "event", "entity")
	prefix := path + "."
	event := EntityEvent{Event: enum(p, prefix, "event", fields[0], Events)}
	fields = p.object(prefix, "entity", fields[1], "id", "mediaType", "interactionSubtype", "selfUri")
	prefix += "entity."
	event.Entity = Entity{
		ID:        p.text(prefix, "id", fields[0]),
		MediaType: enum(p, prefix, "mediaType", fields[1], MediaTypes),
		Subtype:   enum(p, prefix, "interactionSubtype", fields[2], Subtypes),
		SelfURI:   p.absoluteURL(prefix, "selfUri", fields[3]),
	}
	return event
}

// text reads a string that must not be empty.
func (p parser) text(prefix, name string, value json.RawMessage) string {
	if !p.present(prefix, name, value) {
		return ""
	}
	if value[0] != '"' {
		p.add(prefix, name, "must be a string, not "+kind(value))
		return ""
	}
	text := unquote(value)
	if text == "" {
		p.add(prefix, name, "must not be empty")
	}
	return text
}

func (p parser) absoluteURL(prefix, name string, value json.RawMessage) string {
	text := p.text(prefix, name, value)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		p.add(prefix, name, "must be an absolute http or https URL, not "+quote(text))
	}
	return text
}

// enum reads a string of a closed list.
func enum[T interface {
	~string
	Valid() bool
}](p parser, prefix, name string, value json.RawMessage, list func() []T) T {
	text := T(p.text(prefix, name, value))
	if text == "" || text.Valid() {
		return text
	}
	var names []string
	for _, allowed := range list() {
		names = append(names, string(allowed))
	}
	p.add(prefix, name, "must be one of "+strings.Join(names, ", ")+", not "+quote(string(text)))
	return text
}

// present reports whether there is a value to look at. A nil value was already reported, by the object it is missing
// from.
func (p parser) present(prefix, name string, value json.RawMessage) bool {
	if value == nil {
		return false
	}
	if value[0] == 'n' {
		p.add(prefix, name, "must not be null")
		return false
	}
	return true
}

// unquote gives the text of a valid JSON string.
func unquote(value json.RawMessage) string {
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		// Cannot happen, because the body was valid; an empty text is refused by every caller.
		return ""
	}
	return text
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func kind(value json.RawMessage) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}

func quote(text string) string {
	if len(text) > valueBytesMax {
		return strconv.Quote(text[:valueBytesMax]) + "…"
	}
	return strconv.Quote(text)
}
