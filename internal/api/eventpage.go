package api

import (
	"context"
	"errors"
	"sync"

	"github.com/hookswitch/hookswitch/internal/hook"
	"github.com/hookswitch/hookswitch/internal/store"
)

// The limits of what streams make the server do.
const (
	// streamBatch is how many events a stream reads at a time.
	streamBatch = 200
	// streamPageBytesMax bounds what a stream holds while its reader does not read: once a page has so many bytes, no event is added.
	streamPageBytesMax = 64 << 10
	// streamReadsMax bounds how many pages are read and written out at a time: many streams that begin far behind would keep others waiting.
	streamReadsMax = 2
)

// eventPage is a part of the events as a stream sends it.
type eventPage struct {
	text   []byte // empty where there are none
	events int
	next   string
	// cut says that more events were read than there was room for.
	cut bool
	err error
}

// pageKey says which page is meant: two that ask for the same get the same.
type pageKey struct {
	center hook.ContactCenterNumber
	after  string
	limit  int
}

// pages reads the events of all streams, a bounded number of pages at a time. Whoever asks for a page that others are waiting for shares
// one read with them, which begins after the last of them has asked: nobody gets what is older than the question.
type pages struct {
	// turns has one entry for each page that is being read.
	turns chan struct{}
	read  func(context.Context, pageKey) eventPage

	mu      sync.Mutex // guards awaited, and in its pages what is marked
	awaited map[pageKey]*awaitedPage
}

// awaitedPage is a page that some wait for.
type awaitedPage struct {
	waiters int  // guarded by pages.mu
	begun   bool // guarded by pages.mu
	done    chan struct{}
	page    eventPage // written before done is closed
}

func newPages(read func(context.Context, pageKey) eventPage) *pages {
	return &pages{turns: make(chan struct{}, streamReadsMax), read: read, awaited: map[pageKey]*awaitedPage{}}
}

// errPageLost is what those get who shared a page with somebody whose read broke off.
var errPageLost = errors.New("reading events broke off")

// get returns a page. One of those who wait for it reads it; whose turn it is first does.
func (p *pages) get(ctx context.Context, key pageKey) eventPage {
	w := p.await(key)
	select {
	case p.turns <- struct{}{}:
		p.fill(ctx, key, w)
	case <-w.done:
	case <-ctx.Done():
		p.leave(key, w)
		return eventPage{next: key.after, err: ctx.Err()}
	}
	select {
	case <-w.done:
		return w.page
	case <-ctx.Done():
		return eventPage{next: key.after, err: ctx.Err()}
	}
}

// await joins those who wait for a page, or is the first of them.
func (p *pages) await(key pageKey) *awaitedPage {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.awaited[key]
	if w == nil {
		w = &awaitedPage{done: make(chan struct{})}
		p.awaited[key] = w
	}
	w.waiters++
	return w
}

// begin reports whether the caller is the one who reads the page. Nobody joins it from then on.
func (p *pages) begin(key pageKey, w *awaitedPage) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.begun {
		return false
	}
	w.begun = true
	delete(p.awaited, key)
	return true
}

// leave ends a wait before the page has come.
func (p *pages) leave(key pageKey, w *awaitedPage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.waiters--; w.waiters == 0 && !w.begun {
		delete(p.awaited, key)
	}
}

// fill uses a turn: it reads a page for all who wait for it, whatever becomes of the one who does, unless another has begun to.
func (p *pages) fill(ctx context.Context, key pageKey, w *awaitedPage) {
	defer func() { <-p.turns }()
	if !p.begin(key, w) {
		return
	}
	w.page = eventPage{next: key.after, err: errPageLost}
	defer close(w.done)
	w.page = p.read(context.WithoutCancel(ctx), key)
}

// readPage reads and writes out one page.
func (s *Server) readPage(ctx context.Context, key pageKey) eventPage {
	found, next, err := s.store.Events(ctx, key.center, key.after, key.limit)
	if err != nil {
		return eventPage{next: key.after, err: err}
	}
	page := eventPage{next: next}
	var center hook.ContactCenterID
	if len(found) > 0 {
		center = found[0].Event.CenterID
	}
	for i := range found {
		if len(page.text) >= streamPageBytesMax {
			page.cut = true
			break
		}
		if page.text, err = s.appendEvent(page.text, &found[i], center); err != nil {
			return eventPage{next: key.after, err: err}
		}
		page.events, page.next = i+1, found[i].Cursor
	}
	return page
}

// appendEvent appends an event as a stream sends it.
func (s *Server) appendEvent(text []byte, e *store.EventRecord, center hook.ContactCenterID) ([]byte, error) {
	shown := s.showEvent(e, center)
	data, err := encode(shown)
	if err != nil {
		return nil, err
	}
	text = append(text, "id: "...)
	text = append(append(text, shown.Cursor...), "\nevent: "...)
	text = append(append(text, shown.Event...), "\ndata: "...)
	return append(append(text, data...), "\n\n"...), nil
}

// limitAfter is how many events a stream should read after a page: not many more than there is room for.
func (page *eventPage) limitAfter(limit int) int {
	switch {
	case page.cut:
		return page.events
	case len(page.text) < streamPageBytesMax/2:
		return min(2*limit, streamBatch)
	}
	return limit
}
