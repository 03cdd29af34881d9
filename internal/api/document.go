package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/swaggest/swgui/v5emb"
)

const documentPath, docsPath = "/openapi.json", "/docs/"

// config is huma's, without its own docs page, which would load from elsewhere, and without the additions to our JSON
// that its default has.
func (s *Server) config() huma.Config {
	security := []map[string][]string{{"apiKey": {}}, {"bearer": {}}, {"token": {}}}
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Hookswitch", Version: "1",
				Description: "Tells third-party systems that a chat or a secure e-mail interaction in a contact centre has STARTED or FINISHED. " +
					"Times are RFC 3339 in UTC with milliseconds, identifiers are UUIDs, errors are problem documents (RFC 9457).",
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry(refPrefix, huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"apiKey": {Type: "apiKey", In: "header", Name: strings.ToLower(headerKey), Description: "A key of a contact centre, or an admin key."},
					"bearer": {Type: "http", Scheme: "bearer", Description: "The same key as a bearer token."},
					"token":  tokenScheme(),
				},
			},
			Security: security,
			Tags: []*huma.Tag{
				{Name: "interactions", Description: "Chats and secure e-mails."},
				{Name: "webhooks", Description: "Third parties' receivers and their settings."},
				{Name: "deliveries", Description: "Events on their way to webhooks."},
				{Name: "replays", Description: "Many deliveries of a webhook, made again after an outage."},
				{Name: "events", Description: "Everything that happened, in order, to be read instead of received."},
				{Name: "notices", Description: "What operators were told about webhooks that fail."},
				{Name: "contact centres", Description: "The tenants; for admin keys."},
				{Name: "audit", Description: "Who changed what."},
				{Name: "keys", Description: "What callers show to be let in, and what each may do."},
				{Name: "nexus", Description: "The reads behind every selfUri, as the original answers them."},
				{Name: "operation", Description: "For those who run the server."},
			},
			OnAddOperation: []huma.AddOpFunc{describe},
		},
		Formats:       map[string]huma.Format{typeJSON: format, "json": format},
		DefaultFormat: typeJSON,
		Transformers:  []huma.Transformer{s.wrongParameters},
	}
	return c
}

// serveDocument serves the document and the page that shows it, from this binary alone.
func (s *Server) serveDocument() {
	// It never changes, and is written out when somebody first asks for it.
	s.document = sync.OnceValue(func() []byte { return mustIndent(s.huma.OpenAPI()) })
	s.mux.HandleFunc("GET "+documentPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(s.document()) // a write that fails means that the caller is gone
	})
	page := v5emb.New("Hookswitch", documentPath, docsPath)
	policy := pagePolicy(page)
	s.mux.HandleFunc("GET "+docsPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		page.ServeHTTP(w, r)
	})
	s.mux.HandleFunc("/", s.unknownPath)
}

// pagePolicy is the docs page's own Content-Security-Policy: its inline scripts are allowed by their hashes, and nothing
// is loaded from elsewhere. The page's styles are set by its script, which no hash can allow.
func pagePolicy(page http.Handler) string {
	shown := &memory{header: http.Header{}}
	page.ServeHTTP(shown, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: docsPath}})
	scripts := []string{"'self'"}
	for _, part := range strings.Split(shown.String(), "<script>")[1:] {
		text, _, _ := strings.Cut(part, "</script>")
		sum := sha256.Sum256([]byte(text))
		scripts = append(scripts, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return "default-src 'none'; connect-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; font-src 'self'; script-src " +
		strings.Join(scripts, " ") + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// memory is a ResponseWriter that keeps the body.
type memory struct {
	bytes.Buffer
	header http.Header
}

// Header returns the header.
func (m *memory) Header() http.Header { return m.header }

// WriteHeader forgets the status.
func (*memory) WriteHeader(int) {}

// Document returns the OpenAPI document that a server serves.
func Document() []byte { return New(Options{}).document() }

func mustIndent(doc *huma.OpenAPI) []byte {
	compact, err := json.Marshal(doc)
	if err != nil { // the document is a value of this package: it encodes always or never
		panic(fmt.Sprintf("encode document: %v", err))
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		panic(fmt.Sprintf("indent document: %v", err))
	}
	b.WriteByte('\n')
	return b.Bytes()
}
