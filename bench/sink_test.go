package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hookswitch/hookswitch/interaction"
)

func testLedger(t *testing.T) *ledger {
	t.Helper()
	f, err := newLedgerFile()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := openLedger(f)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testSink(t *testing.T, l *ledger, webhooks int) (*sink, string) {
	t.Helper()
	s := &sink{ledger: l}
	s.count.Store(newCount(1, webhooks, 10_000))
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.Listener.Addr().String()
}

func TestEventsOfPayload(t *testing.T) {
	id := func(sequence uint32) string {
		var text [identBytes]byte
		ident{1, sequence}.put(text[:], scattered)
		return string(text[:])
	}
	body := interaction.Payload{OperationID: id(9), Entities: []interaction.EntityEvent{
		entityEvent(interaction.EventStarted, id(1), id(2), id(3)), entityEvent(interaction.EventFinished, id(4), id(5), id(6)),
	}}.Append(nil)
	type seen struct {
		Event int
		ID    string
	}
	var got []seen
	for event, text := range events(body) {
		got = append(got, seen{event, string(text)})
	}
	if d := cmp.Diff([]seen{{started, id(1)}, {finished, id(4)}}, got); d != "" {
		t.Error(d)
	}
	for cut := range body {
		for range events(body[:cut]) { // a body that ends anywhere is no reason to fall over
			break
		}
	}
}

func TestCountTellsArrivalsApart(t *testing.T) {
	l := testLedger(t)
	c := newCount(1, 2, 1000)
	for sequence := range uint32(3) {
		l.send(started, sequence, time.Unix(0, 1000))
		l.acknowledge(started, sequence)
	}
	l.send(finished, 0, time.Unix(0, 1000)) // never answered: may arrive or not
	c.arrive(0, started, 0, 1000, 2000)
	c.arrive(1, started, 0, 1000, 2500)
	c.arrive(0, started, 0, 1000, 3000)  // again
	c.arrive(1, started, 1, 1000, 3500)  // and not at webhook 0
	c.arrive(0, finished, 2, 1000, 4000) // before its STARTED
	c.arrive(2, started, 0, 1000, 4500)  // at no webhook
	got := c.check(l, 3)
	got.P50, got.P95, got.P99 = 0, 0, 0
	want := account{Arrived: 4, FirstNano: 2000, LastNano: 4000, Acknowledged: 3, Missing: 3, Duplicates: 1, Strangers: 1, OutOfOrder: 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	c.mark()
	if got := c.check(l, 3); got.Arrived != 0 || got.LastNano != 0 || got.Missing != 3 {
		t.Errorf("after mark: %+v", got)
	}
}

func TestRawArrives(t *testing.T) {
	for _, kind := range []loadKind{rawLoad, leanRawLoad} {
		l := testLedger(t)
		s, address := testSink(t, l, 1)
		g, err := newGenerator(t.Context(), load{Kind: kind, Addresses: []string{address}, Trial: 1, Order: scattered, Conns: 4}, l)
		if err != nil {
			t.Fatal(err)
		}
		const sends = 10 * verifyEvery
		sent := g.send(t.Context(), pace{Events: sends})
		g.close()
		got := s.count.Load().check(l, sent.Sequences)
		if sent.Acknowledged != sends || got.Arrived != sends || got.Missing != 0 || got.Verified != 10 || got.BadSignatures != 0 || got.Strangers != 0 {
			t.Errorf("%s: sent %+v, arrived %+v", kind, sent, got)
		}
		if got.P50 <= 0 || got.P99 < got.P50 {
			t.Errorf("%s: p50 %v, p99 %v", kind, got.P50, got.P99)
		}
	}
}

func TestRelayPassesEverythingOn(t *testing.T) {
	for _, waits := range []bool{false, true} {
		l := testLedger(t)
		s, address := testSink(t, l, 3)
		r := newRelay(relayArgs{Sink: address, Webhooks: 3, Concurrency: 4, Waits: waits})
		front := httptest.NewServer(r.routes())
		g, err := newGenerator(t.Context(), load{Kind: singleLoad, Addresses: []string{front.Listener.Addr().String()}, Trial: 1, Order: ascending, Conns: 4, Share: 0.5, Lag: 8}, l)
		if err != nil {
			t.Fatal(err)
		}
		sent := g.send(t.Context(), pace{Events: 1000})
		g.close()
		front.Close()
		r.close()
		got := s.count.Load().check(l, sent.Sequences)
		if sent.Acknowledged != 1000 || got.Acknowledged != 1000 || got.Arrived != 3000 || got.Missing != 0 || got.Duplicates != 0 || got.BadSignatures != 0 {
			t.Errorf("waits %v: sent %+v, arrived %+v", waits, sent, got)
		}
		if sent.Sequences < 500 || sent.Sequences > 520 {
			t.Errorf("waits %v: %d interactions for 1000 events with half of them stops", waits, sent.Sequences)
		}
	}
}

func TestRateIsKept(t *testing.T) {
	l := testLedger(t)
	_, address := testSink(t, l, 1)
	g, err := newGenerator(t.Context(), load{Kind: leanRawLoad, Addresses: []string{address}, Trial: 1, Order: scattered, Conns: 4}, l)
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	begin := time.Now()
	sent := g.send(t.Context(), pace{Events: 200, Rate: 1000})
	if sent.Acknowledged != 200 || time.Since(begin) < 199*time.Millisecond {
		t.Errorf("%+v in %v, want 200 in 199 ms or more", sent, time.Since(begin))
	}
}

func TestGateHoldsArrivals(t *testing.T) {
	var g gate
	if !g.pass(t.Context()) {
		t.Error("a gate that was never shut does not let pass")
	}
	g.set(false)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if g.pass(gone) {
		t.Error("who gave up passed")
	}
	passed := make(chan bool)
	go func() { passed <- g.pass(t.Context()) }()
	g.set(true)
	if !<-passed {
		t.Error("who waited did not pass")
	}
}

func TestObey(t *testing.T) {
	orders := `{"verb":"double","args":21}
{"verb":"fail","args":null}
{"verb":"dance","args":null}
{"verb":"double","args":"x"}
`
	var out bytes.Buffer
	err := obey(t.Context(), strings.NewReader(orders), &out, map[string]verb{
		"double": with(func(_ context.Context, n int) (any, error) { return 2 * n, nil }),
		"fail":   with(func(context.Context, struct{}) (any, error) { return nil, errNoTrial }),
	})
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(&out)
	for _, want := range []struct{ result, problem string }{{"42", ""}, {"", errNoTrial.Error()}, {"", "unknown order"}, {"", "decode arguments"}} {
		var r reply
		if err := decoder.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if string(r.Result) != want.result || !strings.Contains(r.Error, want.problem) || (want.problem == "") != (r.Error == "") {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
}

func TestOptionsNameEveryProblem(t *testing.T) {
	_, err := parseOptions([]string{"-rounds", "0", "-ids", "v5", "rest"}, io.Discard)
	if !errors.Is(err, errUsage) {
		t.Fatal(err)
	}
	for _, want := range []string{"-rounds", "-ids", "rest"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if _, err := parseOptions([]string{"-quick"}, io.Discard); err != nil {
		t.Error(err)
	}
}
