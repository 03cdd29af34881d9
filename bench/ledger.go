package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// ledgerSequencesMax bounds the interactions of one trial; the ledger is that large, but only what is used is resident.
const ledgerSequencesMax = 1 << 22

// The two events of an interaction, as rows of the ledger.
const (
	started = iota
	finished
	eventCount
)

// A ledger is memory that the generator and the sink share: when each event's request was sent, and whether it was
// answered. The generator writes a slot before it sends and once more when the answer is there; the sink only reads. So
// the latency of an event needs no clock but the machine's, and nothing extra in the request.
type ledger struct {
	slots [eventCount][]int64
}

// ledgerBytes is the size of the shared file.
const ledgerBytes = eventCount * ledgerSequencesMax * 8

// newLedgerFile makes the shared file. Its name is removed at once, so that nothing is left behind however the run ends;
// the children inherit the descriptor.
func newLedgerFile() (*os.File, error) {
	dir := "/dev/shm" // memory on Linux: pages of a file on disk would be written back beside the fsyncs that are measured
	if _, err := os.Stat(dir); err != nil {
		dir = os.TempDir()
	}
	f, err := os.CreateTemp(dir, "hookswitch-bench-*")
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("unlink ledger: %w", err)
	}
	if err := f.Truncate(ledgerBytes); err != nil {
		return nil, fmt.Errorf("size ledger: %w", err)
	}
	return f, nil
}

func openLedger(f *os.File) (*ledger, error) {
	raw, err := syscall.Mmap(int(f.Fd()), 0, ledgerBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map ledger: %w", err)
	}
	all := unsafe.Slice((*int64)(unsafe.Pointer(&raw[0])), ledgerBytes/8) //nolint:gosec // A mapping begins at a page, so it is aligned, and is never unmapped.
	l := &ledger{}
	for event := range l.slots {
		l.slots[event] = all[event*ledgerSequencesMax : (event+1)*ledgerSequencesMax]
	}
	return l, nil
}

// send notes that the event's request is sent, or was due to be sent, at the given time.
func (l *ledger) send(event int, sequence uint32, at time.Time) {
	atomic.StoreInt64(&l.slots[event][sequence], at.UnixNano()&^1)
}

// acknowledge notes that the event's request was answered with success. The lowest bit of the time says so: it is a
// nanosecond.
func (l *ledger) acknowledge(event int, sequence uint32) {
	slot := &l.slots[event][sequence]
	atomic.StoreInt64(slot, atomic.LoadInt64(slot)|1)
}

// read returns when the event's request was sent, zero if it never was, and whether it was answered.
func (l *ledger) read(event int, sequence uint32) (sentNano int64, acknowledged bool) {
	v := atomic.LoadInt64(&l.slots[event][sequence])
	return v &^ 1, v&1 == 1
}

// clear forgets the first n sequences.
func (l *ledger) clear(n int) {
	for event := range l.slots {
		clear(l.slots[event][:n])
	}
}
