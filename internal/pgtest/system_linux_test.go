package pgtest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
)

func TestServerOutlivesTheThreadThatAskedForIt(t *testing.T) {
	g, err := process.prepare()
	if err != nil {
		t.Fatal(err)
	}
	server, err := g.newServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.remove(); err != nil {
			t.Error(err)
		}
	})
	thread, err := onThreadThatEnds(func() error { return server.begin(choosePort) })
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the thread has ended", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread))
		return errors.Is(err, os.ErrNotExist)
	})
	for range 50 {
		want(t, server.URL(maintenance), "SELECT 1", "1")
	}
}

// onThreadThatEnds calls f on a thread that ends afterwards, and returns that thread's id.
func onThreadThatEnds(f func() error) (thread int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and not unlocked, so that Go ends the thread with the goroutine
		if thread = syscall.Gettid(); thread == os.Getpid() {
			thread, err = onThreadThatEnds(f) // the first thread never ends
			runtime.UnlockOSThread()
			return
		}
		err = f()
	}()
	<-done
	return thread, err
}
