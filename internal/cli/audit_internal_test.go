package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// A row of the audit log shows the fields that changed and no others.
func TestDifference(t *testing.T) {
	document := func(text string) *map[string]any {
		if text == "" {
			return nil
		}
		m := new(map[string]any)
		if err := json.Unmarshal([]byte(text), m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	for name, tt := range map[string]struct{ before, after, want string }{
		"a field":          {`{"url":"u","concurrency":32}`, `{"url":"u","concurrency":7}`, "concurrency: 32 -> 7"},
		"a field below":    {`{"retry":{"attempts":1,"jitter":0.1}}`, `{"retry":{"attempts":2,"jitter":0.1}}`, "retry.attempts: 1 -> 2"},
		"a list":           {`{"events":["STARTED"]}`, `{}`, `events: ["STARTED"] -> none`},
		"a hidden value":   {`{"headers":{"X-A":"***"}}`, `{"headers":{"X-A":"*** (changed)"}}`, "headers.X-A: changed"},
		"a hidden new one": {`{"headers":{}}`, `{"headers":{"X-A":"***"}}`, "headers.X-A: none -> ***"},
		"a creation":       {``, `{"enabled":true,"url":"u"}`, "url: u, enabled: true"},
		"a deletion":       {`{"enabled":true,"url":"u"}`, ``, "url: u, enabled: true"},
		"a secret":         {``, `{"secret":"changed"}`, "secret: changed"},
		"nothing":          {``, ``, ""},
		"a long one":       {``, `{"a":"` + strings.Repeat("ü", 500) + `"}`, "a: " + strings.Repeat("ü", differenceRunesMax-3) + "…"},
	} {
		if got := difference(document(tt.before), document(tt.after)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
