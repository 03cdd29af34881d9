package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

//go:embed static
var staticFiles embed.FS

// assetVersionDigits is how much of an asset's hash is in its URL.
const assetVersionDigits = 16

// asset is a file that pages refer to.
type asset struct {
	body    []byte
	version string
	kind    string
}

// assets are the files by their names.
type assets map[string]asset

// readAssets reads the embedded files.
func readAssets() (assets, error) {
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, err
	}
	all := assets{}
	for _, e := range entries {
		body, err := staticFiles.ReadFile(path.Join("static", e.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		all[e.Name()] = asset{body, hex.EncodeToString(sum[:])[:assetVersionDigits], kindOf(path.Ext(e.Name()))}
	}
	return all, nil
}

// kindOf returns the media type of a file by its ending. The machine's own table may say anything, and browsers take a script of no other type
// (HTML, "JavaScript MIME type"; Fetch, "X-Content-Type-Options").
func kindOf(ending string) string {
	switch ending {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "application/octet-stream"
	}
}

// url returns the URL of an asset, which changes with its bytes.
func (a assets) url(name string) string {
	return Path + "static/" + name + "?v=" + a[name].version
}

// serveAsset answers with a file. One that is asked for by its version never changes.
func (s *Server) serveAsset(c *call) (answer, error) {
	name := c.r.PathValue("name")
	found, ok := s.assets[name]
	if !ok {
		return answer{}, hook.ErrNotFound
	}
	h := c.w.Header()
	h.Set("Content-Type", found.kind)
	h.Set("Cache-Control", "no-cache")
	if c.r.FormValue("v") == found.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("ETag", `"`+found.version+`"`)
	http.ServeContent(c.w, c.r, name, time.Time{}, bytes.NewReader(found.body))
	return answer{written: true}, nil
}

// securityHeaders says what a browser may do with a page. What every answer of the server says besides is package gate's.
func securityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}
