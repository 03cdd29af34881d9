package cli

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// listenNotice is what is shown of a notice that `listen` receives; docs/notices.md has all of it.
type listenNotice struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Data    struct {
		Message string `json:"message"`
		Count   int64  `json:"count"`
	} `json:"data"`
}

// isNotice reports whether a request carries a CloudEvent in structured mode (CloudEvents, HTTP Protocol Binding, section 3).
func isNotice(header http.Header) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && kind == "application/cloudevents+json"
}

func readNotice(body []byte) (*listenNotice, error) {
	n := new(listenNotice)
	if err := json.Unmarshal(body, n); err != nil {
		return nil, fmt.Errorf("parse body: %w", err)
	}
	return n, nil
}

// kind is the type without what all have, and safe to print.
func (n *listenNotice) kind() string { return clean(strings.TrimPrefix(n.Type, noticeTypePrefix)) }
