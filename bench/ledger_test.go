package main

import (
	"testing"
	"time"
)

func TestLedgerIsShared(t *testing.T) {
	f, err := newLedgerFile()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	writer, err := openLedger(f)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := openLedger(f)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 123_456_789)
	const last = ledgerSequencesMax - 1
	writer.send(finished, last, at)
	if sent, acknowledged := reader.read(finished, last); sent != at.UnixNano()&^1 || acknowledged {
		t.Errorf("after send: %d, %v", sent, acknowledged)
	}
	writer.acknowledge(finished, last)
	if sent, acknowledged := reader.read(finished, last); sent != at.UnixNano()&^1 || !acknowledged {
		t.Errorf("after acknowledge: %d, %v", sent, acknowledged)
	}
	if sent, acknowledged := reader.read(started, last); sent != 0 || acknowledged {
		t.Errorf("the other event: %d, %v", sent, acknowledged)
	}
	writer.clear(last + 1)
	if sent, acknowledged := reader.read(finished, last); sent != 0 || acknowledged {
		t.Errorf("after clear: %d, %v", sent, acknowledged)
	}
}
