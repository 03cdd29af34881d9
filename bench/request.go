package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// requestBodyBytes is the size of the body of a single create, the 350 bytes that the comparison asks for.
const requestBodyBytes = 350

// The placeholders that a template holds where an id goes; both are identBytes long.
const (
	idMark      = "iiiiiiii-iiii-iiii-iiii-iiiiiiiiiiii"
	sessionMark = "ssssssss-ssss-ssss-ssss-ssssssssssss"
)

// A template is the text of a request, or of a part of one, with the places of the ids in it.
type template struct {
	text    string
	id      int // -1 where there is none
	session int
}

func newTemplate(text string) template {
	return template{text: text, id: strings.Index(text, idMark), session: strings.Index(text, sessionMark)}
}

// appendTo appends the text with the ids filled in.
func (t template) appendTo(dst []byte, id ident, o order) []byte {
	at := len(dst)
	dst = append(dst, t.text...)
	if t.id >= 0 {
		id.put(dst[at+t.id:], o)
	}
	if t.session >= 0 {
		id.putSession(dst[at+t.session:], o)
	}
	return dst
}

// createBody is the JSON of a create with what an application would fill in, padded to the size wanted.
func createBody(opening string, bytesWanted int) string {
	const shape = `{%s"mediaType":"chat","subtype":"InboundNew","queue":"support","id":"` + idMark + `","sessionId":"` + sessionMark +
		`","subject":"Order 20481 has not arrived","userData":{"customerTier":"gold","orderNumber":"20481","note":"%s"}}`
	short := len(fmt.Sprintf(shape, opening, ""))
	return fmt.Sprintf(shape, opening, strings.Repeat("n", max(0, bytesWanted-short)))
}

const stopBody = `{"by":"agentDesktop","reason":"resolved"}`

// The requests of one target: everything but the ids is made once.
type requests struct {
	create, stop           template
	batchHead              string
	createChange, stopPart template
}

func newRequests(host, key string) requests {
	head := func(path string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nx-api-key: " + key + "\r\nContent-Type: application/json\r\n"
	}
	whole := func(path, body string) template {
		return newTemplate(head(path) + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	}
	return requests{
		create:       whole("/v1/interactions", createBody("", requestBodyBytes)),
		stop:         whole("/v1/interactions/"+idMark+"/stop", stopBody),
		batchHead:    head("/v1/interactions/batch"),
		createChange: newTemplate(createBody(`"op":"create",`, requestBodyBytes)),
		stopPart:     newTemplate(`{"op":"stop","id":"` + idMark + `",` + stopBody[1:]),
	}
}

// lengthMark keeps room in a batch's head for a length that is known only at its end.
const lengthMark = "Content-Length:         \r\n\r\n"

// beginBatch begins a batch call; change after change is appended to it.
func (r requests) beginBatch(dst []byte) []byte {
	dst = append(append(dst[:0], r.batchHead...), lengthMark...)
	return append(dst, `{"changes":[`...)
}

// endBatch completes what beginBatch began.
func (r requests) endBatch(dst []byte) []byte {
	dst = append(dst, `]}`...)
	body := len(dst) - len(r.batchHead) - len(lengthMark)
	digits := strconv.Itoa(body)
	end := len(r.batchHead) + len(lengthMark) - len("\r\n\r\n")
	copy(dst[end-len(digits):end], digits)
	return dst
}

// succeeded counts the changes of a batch that were carried out: each result begins with its status.
func succeeded(answer []byte) int {
	return bytes.Count(answer, []byte(`"status":201`)) + bytes.Count(answer, []byte(`"status":200`))
}
