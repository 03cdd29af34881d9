package browsertest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// A watch keeps what goes wrong in a page until the test looks.
type watch struct {
	base string // of the only server that the page may talk to

	mu       sync.Mutex // guards all that follows
	problems []string
	expected []int64 // statuses that are no problem
	trusted  string  // another server that the page may talk to, with a slash at its end
	urls     map[network.RequestID]string
}

// see is called with each event of the tab, in order; it must not wait.
func (w *watch) see(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			w.addLocked("console: " + consoleText(e.Args))
		}
	case *runtime.EventExceptionThrown:
		w.addLocked("exception: " + exceptionText(e.ExceptionDetails))
	case *log.EventEntryAdded:
		// What the network says is seen below, with its status.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			w.addLocked(fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	case *network.EventRequestWillBeSent:
		if w.urls == nil {
			w.urls = map[network.RequestID]string{}
		}
		w.urls[e.RequestID] = e.Request.URL
		if url := e.Request.URL; !strings.HasPrefix(url, w.base+"/") && (w.trusted == "" || !strings.HasPrefix(url, w.trusted)) && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "blob:") {
			w.addLocked("a request to somebody else: " + url)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 && !slices.Contains(w.expected, e.Response.Status) {
			w.addLocked(fmt.Sprintf("answered %d: %s", e.Response.Status, e.Response.URL))
		}
	case *network.EventLoadingFailed:
		// A page that is left cancels what it still waits for. What a policy blocks is told by the log too.
		if !e.Canceled && e.BlockedReason != network.BlockedReasonCsp {
			w.addLocked(fmt.Sprintf("failed request: %s: %s", e.ErrorText, w.urls[e.RequestID]))
		}
	}
}

func (w *watch) addLocked(problem string) {
	w.problems = append(w.problems, problem)
}

func (w *watch) expect(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected = append(w.expected, int64(status))
}

func (w *watch) trust(base string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trusted = base + "/"
}

// take returns what was seen since the last call.
func (w *watch) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.problems
	w.problems = nil
	return taken
}

func consoleText(args []*runtime.RemoteObject) string {
	parts := make([]string, 0, len(args))
	for _, arg := range args {
		switch {
		case arg.Description != "":
			parts = append(parts, arg.Description)
		default:
			text, err := strconv.Unquote(string(arg.Value))
			if err != nil {
				text = string(arg.Value) // no text, but a number or the like
			}
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}

func exceptionText(details *runtime.ExceptionDetails) string {
	text := details.Text
	if details.Exception != nil {
		text += " " + details.Exception.Description
	}
	return fmt.Sprintf("%s (%s, line %d)", text, details.URL, details.LineNumber+1)
}
