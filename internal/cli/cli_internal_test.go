package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
	"github.com/hookswitch/hookswitch/interaction"
	"github.com/hookswitch/hookswitch/internal/config"
	"github.com/hookswitch/hookswitch/internal/hook"
)

func quietApp() *app {
	return &app{System: System{Env: func(string) (string, bool) { return "", false }, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}}
}

// Every command explains itself with an example of itself, and every one that lists or shows has --json.
func TestEveryCommandHasHelp(t *testing.T) {
	seen := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		seen++
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("the short help is %q; it is a phrase without a full stop", cmd.Short)
			}
			if len(cmd.Long) <= len(cmd.Short) {
				t.Errorf("the long help is %q", cmd.Long)
			}
			if !strings.HasPrefix(cmd.Example, "  ") || !strings.Contains(cmd.Example, "hookswitch") {
				t.Errorf("the example is %q", cmd.Example)
			}
			if !cmd.HasSubCommands() && cmd.Runnable() && !strings.Contains(cmd.Example, cmd.CommandPath()) {
				t.Errorf("the example %q is not one of this command", cmd.Example)
			}
			if json := cmd.Flags().Lookup("json"); json == nil && cmd.Runnable() && !cmd.HasSubCommands() &&
				cmd.Name() != "serve" && cmd.Name() != "delete" && cmd.Name() != "new-master" /* prints nothing but JSON */ {
				t.Error("there is no --json")
			}
			for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
				if len(line) > 160 {
					t.Errorf("the line %q is too long for a terminal", line)
				}
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(quietApp().rootCommand())
	if seen < 30 {
		t.Errorf("only %d commands were seen", seen)
	}
}

func TestExitCodes(t *testing.T) {
	problem := func(status int) error { return fmt.Errorf("list: %w", &problemError{Status: status}) }
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"success", nil, 0},
		{"anything", errors.New("x"), 1},
		{"said already", &silentError{errors.New("x")}, 1},
		{"usage", usageErrorf("x"), 2},
		{"configuration", fmt.Errorf("load: %w", &config.Error{}), 2},
		{"404", problem(404), 3},
		{"not found", fmt.Errorf("x: %w", hook.ErrNotFound), 3},
		{"409", problem(409), 4},
		{"conflict", fmt.Errorf("x: %w", &hook.ConflictError{}), 4},
		{"address in use", listenError(":1", fmt.Errorf("listen: %w", syscall.EADDRINUSE)), 4},
		{"401", problem(401), 5},
		{"403", problem(403), 5},
		{"503", problem(503), 6},
		{"429", problem(429), 6},
		{"no server", unreachable("http://x", errors.New("refused")), 6},
		{"store", fmt.Errorf("x: %w", hook.ErrUnavailable), 6},
		{"too slow", context.DeadlineExceeded, 6},
		{"400", problem(400), 7},
		{"413", problem(413), 7},
		{"422", problem(422), 7},
		{"500", problem(500), 1},
		{"405", problem(405), 1},
		{"a usage error that wraps", usageErrorf("read: %w", hook.ErrNotFound), 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exitCodeOf(tt.err); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// The topic of the help and the table cannot differ: one is made of the other, and the codes are in order.
func TestExitCodesAreOrderedAndDocumented(t *testing.T) {
	text := exitCodesTopic().Long
	for i, row := range exitCodes() {
		if row.code != i+2 {
			t.Errorf("row %d has the code %d", i, row.code)
		}
		if !strings.Contains(text, fmt.Sprintf("  %d  %s", row.code, row.meaning)) {
			t.Errorf("%d is not documented", row.code)
		}
	}
}

func TestProblemIsPrintedFieldByField(t *testing.T) {
	err := &problemError{Status: 422, Detail: "wrong fields", Errors: []problemField{
		{Location: "body.url", Message: "must begin with https://", Value: "ftp://x\x1b[2J"}, {Location: "body.retry.attempts", Message: "must be at most 100"},
	}}
	want := "wrong fields (422)\n  body.url: must begin with https:// (given: ftp://x\\x1b[2J)\n  body.retry.attempts: must be at most 100"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestClean(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "Grüße, 世界", "Grüße, 世界"},
		{"an escape sequence", "a\x1b]0;title\x07b", `a\x1b]0;title\ab`},
		{"a line feed", "a\nb\r", `a\nb\r`},
		{"broken UTF-8", "a\xffb", `a` + "\ufffd" + `b`},
		{"right-to-left override", "a\u202eb", `a\u202eb`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestShellQuote(t *testing.T) {
	if got := shellQuote(`it's $HOME`); got != `'it'\''s $HOME'` {
		t.Errorf("got %s", got)
	}
}

func TestPalette(t *testing.T) {
	env := func(name, value string) *app {
		a := quietApp()
		a.Env = func(n string) (string, bool) { return value, n == name }
		return a
	}
	tests := []struct {
		name     string
		app      *app
		terminal bool
		want     bool
	}{
		{"terminal", quietApp(), true, true},
		{"file", quietApp(), false, false},
		{"NO_COLOR", env("NO_COLOR", "1"), true, false},
		{"an empty NO_COLOR", env("NO_COLOR", ""), true, true},
		{"a dumb terminal", env("TERM", "dumb"), true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Contains(tt.app.palette(tt.terminal).paint(red, "x"), "\x1b"); got != tt.want {
				t.Errorf("coloured is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLogger(t *testing.T) {
	tests := []struct {
		name     string
		config   config.Log
		terminal bool
		want     string
	}{
		{"text", config.Log{Format: "text", Level: "info"}, false, `level=INFO msg=hello a=1 b=1.5s`},
		{"terminal", config.Log{Format: "text", Level: "info"}, true, "\x1b["},
		{"JSON", config.Log{Format: "json", Level: "info"}, true, `"msg":"hello","a":1,"b":"1.5s"}`},
		{"level", config.Log{Format: "text", Level: "error"}, false, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, out := quietApp(), &bytes.Buffer{}
			a.Stderr, a.StderrTerminal = out, tt.terminal
			log, err := a.logger(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			log.Info("hello", "a", 1, "b", 1500*time.Millisecond)
			if !strings.Contains(out.String(), tt.want) || (tt.want == "") != (out.Len() == 0) {
				t.Errorf("got %q, want %q", out, tt.want)
			}
		})
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := newMemory(2)
	key := func(id string) eventKey { return eventKey{id, interaction.EventStarted} }
	m.try(key("a"))
	m.acknowledge(key("a"))
	m.try(key("b"))
	if got := m.try(key("a")); got != 2 || !m.acknowledged(key("a")) {
		t.Errorf("a was tried %d times", got)
	}
	m.try(key("c")) // a was there first
	if m.acknowledged(key("a")) || m.try(key("c")) != 2 || len(m.events) != 2 {
		t.Error("the oldest was not forgotten")
	}
}

func TestDemoIsJudged(t *testing.T) {
	good := demoCounts{Accepted: 3, Acknowledged: 3, Retried: 1, Duplicates: 1, Others: 1, Server: serverCounts{Delivered: 4}}
	tests := []struct {
		name   string
		change func(*demoCounts)
		want   []string
	}{
		{"proven", func(*demoCounts) {}, nil},
		{"nothing happened", func(c *demoCounts) { *c = demoCounts{} }, []string{"no event was accepted at all"}},
		{"one is missing", func(c *demoCounts) { c.Acknowledged, c.Server.Delivered = 2, 3 }, []string{"3 events were accepted, but 2 acknowledged"}},
		{"out of order", func(c *demoCounts) { c.OutOfOrder = 1 }, []string{"1 events came before their STARTED"}},
		{"not verified", func(c *demoCounts) { c.SignatureFailures = 2 }, []string{"2 signatures were wrong"}},
		{"pending", func(c *demoCounts) { c.Server.Pending = 1 }, []string{"the server has 0 deliveries exhausted and 1 pending"}},
		{"exhausted", func(c *demoCounts) { c.Server.Exhausted = 1 }, []string{"the server has 1 deliveries exhausted and 0 pending"}},
		{"the server disagrees", func(c *demoCounts) { c.Server.Delivered = 5 }, []string{"the server counts 5 deliveries, the receiver 4"}},
		{"an error before", func(c *demoCounts) { c.Errors = []string{"x"} }, []string{"x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			c.judge()
			if diff := cmp.Diff(tt.want, c.Errors); diff != "" || c.Proven != (tt.want == nil) {
				t.Errorf("proven is %v\n%s", c.Proven, diff)
			}
		})
	}
}

// TestEndDoesNotWaitForUnusedConnections is about those on which nothing was ever sent: net/http waits five seconds for them.
func TestEndDoesNotWaitForUnusedConnections(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveUntil(ctx, &http.Server{Handler: http.NotFoundHandler()}, l, time.Minute) }()
	unused, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer unused.Close()
	// Connections are taken in order: once this one is answered, the one before is known to the server.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	end()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(4 * time.Second):
		t.Error("it waits for a connection on which nothing was sent; in the end:", <-ended)
	}
}

// A list goes on over pages that are short, or empty, until it has what was asked for, and says how far it looked; it never asks for
// more than is missing.
func TestListFollowsShortPages(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	pages := []string{
		`{"items":[],"nextCursor":"a","searchedTo":"2026-11-20T00:00:00.000Z"}`,
		`{"items":[1,2],"nextCursor":"b","searchedTo":"2026-11-10T00:00:00.000Z"}`,
		`{"items":[3],"nextCursor":"c"}`,
		`{"items":[4]}`,
	}
	for name, tt := range map[string]struct {
		args      []string
		wantItems int
		next      string
		asked     []string
	}{
		"so many":          {[]string{"--limit", "3"}, 3, "c", []string{"limit=3", "cursor=a&limit=3", "cursor=b&limit=1"}},
		"nobody says":      {nil, 4, "", []string{"", "cursor=a&limit=50", "cursor=b&limit=48", "cursor=c&limit=47"}},
		"all":              {[]string{"--all"}, 4, "", []string{"limit=200", "cursor=a&limit=200", "cursor=b&limit=200", "cursor=c&limit=200"}},
		"no number at all": {[]string{"--limit", "x"}, 0, "a", []string{"limit=x"}},
	} {
		cmd := &cobra.Command{}
		l := listFlags(cmd)
		if err := cmd.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		var asked []string
		var looked []time.Time
		got, err := l.fetch(func(edit client.RequestEditorFn) ([]byte, error) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/", http.NoBody)
			if err != nil {
				return nil, err
			}
			err = edit(t.Context(), r)
			asked = append(asked, r.URL.RawQuery)
			return []byte(pages[len(asked)-1]), err
		}, func(to time.Time) { looked = append(looked, to) })
		if err != nil || len(got.Items) != tt.wantItems || got.NextCursor != tt.next {
			t.Errorf("%s: %d items, cursor %q, %v", name, len(got.Items), got.NextCursor, err)
		}
		if diff := cmp.Diff(tt.asked, asked); diff != "" {
			t.Errorf("%s, asked (-want +got):\n%s", name, diff)
		}
		if tt.wantItems > 2 && (len(looked) != 2 || !looked[0].Equal(day(20)) || !looked[1].Equal(day(10))) {
			t.Errorf("%s: looked to %v", name, looked)
		}
	}
	var said bytes.Buffer
	a, now := quietApp(), day(22)
	a.Stderr = &said
	say := a.sayLooked("from", func() time.Time { return now })
	for _, to := range []int{21, 20, 19} {
		now = now.Add(lookedEvery * 2 / 3)
		say(day(to))
	}
	want := "Looked at everything since 2026-11-20T00:00:00.000Z; still looking (--from ends it at a time)\n"
	if got := said.String(); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

// Times of a list may be how long ago; a text that is neither is left to the server.
func TestTimesOfLists(t *testing.T) {
	t.Parallel()
	cmd := &cobra.Command{}
	l := listFlags(cmd, filter{"from", "from", ""}, filter{"created-before", "createdBefore", ""}, filter{"queue", "queue", ""})
	if err := cmd.ParseFlags([]string{"--from", "24h", "--created-before", "today", "--queue", "24h"}); err != nil {
		t.Fatal(err)
	}
	got := l.query(time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)).Encode()
	if want := "createdBefore=today&from=2026-11-21T16%3A00%3A00Z&queue=24h"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
}

// What the server escapes for HTML's sake is shown as it is, and the document stays the same.
func TestReadableJSON(t *testing.T) {
	t.Parallel()
	const raw = `{"fix":"a \u0026\u0026 b \u003c\u003e","path":"C:\\u0026"}`
	const want = `{"fix":"a && b <>","path":"C:\\u0026"}`
	if got := readableJSON([]byte(raw)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
