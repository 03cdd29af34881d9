package console_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hookswitch/hookswitch/internal/console"
	"github.com/hookswitch/hookswitch/internal/store/storetest"
)

// TestDribbledFormsKeepNobodyOut shows that whoever sends forms slowly takes no page from others.
func TestDribbledFormsKeepNobodyOut(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	address := strings.TrimPrefix(h.url, "http://")
	for range console.PagesMax + 1 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
		if _, err := fmt.Fprint(conn, "POST /console/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nkey="); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for h.server.FormsBeingRead() <= console.PagesMax {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the forms are not read")
		}
	}
	b := h.signedIn(0)
	b.shows(b.get("/console/cc/default/"), http.StatusOK, "Overview")
}

// TestFormsAreBounded shows that a form that is too large is refused, earlier where nobody is signed in.
func TestFormsAreBounded(t *testing.T) {
	h := open(t, storetest.Open(t).Store)
	for _, c := range []struct {
		b     *browser
		path  string
		bytes int
		want  int
	}{
		{h.visitor(), "/console/sign-in", 20 << 10, http.StatusRequestEntityTooLarge},
		{h.signedIn(0), "/console/cc/default/settings", 20 << 10, http.StatusUnprocessableEntity},
		{h.signedIn(0), "/console/cc/default/settings", 300 << 10, http.StatusRequestEntityTooLarge},
	} {
		if a := c.b.post(c.path, url.Values{"name": {strings.Repeat("x", c.bytes)}}); a.status != c.want {
			t.Errorf("%d bytes to %s: %d, want %d", c.bytes, c.path, a.status, c.want)
		}
	}
}
