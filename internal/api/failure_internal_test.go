package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func testFailures() (f *failures, log *bytes.Buffer) {
	log = new(bytes.Buffer)
	return newFailures(prometheus.NewRegistry(), slog.New(slog.NewTextHandler(log, nil))), log
}

// An address may fail ten times at once and once a second after that; what was refused does not make it wait longer.
func TestFailuresAreLimited(t *testing.T) {
	f, log := testFailures()
	now, allowed := time.Unix(1_800_000_000, 0), 0
	for range 1_000 {
		if f.take("192.0.2.1:5", now) == 0 {
			allowed++
		}
	}
	if allowed != failuresBurst {
		t.Errorf("%d at once, want %d", allowed, failuresBurst)
	}
	if wait := f.take("192.0.2.1:6", now); wait <= 0 || wait > time.Second {
		t.Errorf("the wait is %v", wait)
	}
	if wait := f.take("192.0.2.1:6", now.Add(time.Second)); wait != 0 {
		t.Errorf("a second later the wait is %v", wait)
	}
	if wait := f.take("192.0.2.2:5", now); wait != 0 {
		t.Errorf("another address waits %v", wait)
	}
	if n := strings.Count(log.String(), "192.0.2.1/32"); n != 1 {
		t.Errorf("%d lines in a minute: %s", n, log)
	}
	f.take("192.0.2.1:5", now.Add(failureLogEvery))
	if n := strings.Count(log.String(), "192.0.2.1/32"); n != 2 || !strings.Contains(log.String(), "failures=1002") {
		t.Errorf("%d lines in two minutes: %s", n, log)
	}
}

// The table of addresses has an end; the one that was longest without a failure is forgotten.
func TestFailingAddressesAreBounded(t *testing.T) {
	f, _ := testFailures()
	now := time.Unix(1_800_000_000, 0)
	fill := func(address string) {
		for range failuresBurst {
			f.take(address, now)
		}
	}
	fill("192.0.2.1:1")
	fill("192.0.2.2:1")
	for i := range failureAddressesMax - 1 {
		f.take(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), now)
		if i == failureAddressesMax/2 && f.take("192.0.2.2:1", now) == 0 {
			t.Error("an address was forgotten before the table was full")
		}
	}
	if len(f.known) != failureAddressesMax || f.recent.Len() != failureAddressesMax {
		t.Errorf("%d and %d addresses", len(f.known), f.recent.Len())
	}
	if f.take("192.0.2.2:1", now) == 0 || f.take("192.0.2.1:1", now) != 0 {
		t.Error("not the one that was longest without a failure was forgotten")
	}
}

// A route whose row does not say who may call it cannot be registered.
func TestUndecidedRowsAreRefused(t *testing.T) {
	for name, r := range map[string]row{
		"nothing": {}, "no such permission": {needs: "all"}, "named": {access: forNamed}, "open and a permission": {access: open, needs: "webhooks"},
		"installation and a permission": {access: forInstallation, needs: "admin"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was registered", name)
				}
			}()
			r.id, r.status = "test", 200
			route(New(Options{}), "GET /test", r, (*Server)(nil).health)
		}()
	}
}
