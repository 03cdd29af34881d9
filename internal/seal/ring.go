package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// lookEvery is how often a ring looks at its file when it is used.
const lookEvery = 2 * time.Second

// Ring is the keyset of a file that may change: it seals with what the file says, at most [lookEvery] later, and reads the file at
// once when it meets a key that it does not know. While the file is missing, broken or another keyset, the one before stays in
// force. It is safe for concurrent use.
type Ring struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex // guards all below
	keyset *Keyset
	read   fs.FileInfo // of the file when it was read
	looked time.Time
	// promoted is the key that was made primary in memory; zero is none.
	promoted uint32
	problem  error
}

// Follow reads the keyset of a file and follows its changes.
func Follow(path string, log *slog.Logger) (*Ring, error) {
	k, info, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return &Ring{path: path, log: log, keyset: k, read: info, looked: time.Now()}, nil
}

// Path returns the name of the file.
func (r *Ring) Path() string { return r.path }

// Seal encrypts as [Keyset.Seal] does, with what is primary now.
func (r *Ring) Seal(plain []byte, about string) (sealed []byte, key uint32, err error) {
	return r.look(false).Seal(plain, about)
}

// Open decrypts as [Keyset.Open] does.
func (r *Ring) Open(sealed []byte, about string) ([]byte, error) {
	plain, err := r.current().Open(sealed, about)
	if _, unknown := errors.AsType[*UnknownKeyError](err); unknown {
		return r.look(true).Open(sealed, about)
	}
	return plain, err
}

// Primary returns the number of the key that seals now.
func (r *Ring) Primary() uint32 { return r.look(false).Primary() }

// Numbers returns the numbers of all keys.
func (r *Ring) Numbers() []uint32 { return r.look(false).Numbers() }

// Problem says why the file cannot be used since it was read last; nil where it can.
func (r *Ring) Problem() error {
	r.look(false)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

// Promote makes a key primary that the file holds as a staged one, in memory: another process has begun to seal with it, and its copy of
// the file is newer. It reports whether there is such a key.
func (r *Ring) Promote(number uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keyset.primary == number {
		return true
	}
	next, ok := r.keyset.promoted(number)
	if !ok {
		return false
	}
	r.log.Warn("others seal with the staged master key, and so does this process from now on: its keyset's file is an older copy, replace it",
		"file", r.path, "key", number, "before", r.keyset.primary)
	r.keyset, r.promoted = next, number
	return true
}

func (r *Ring) current() *Keyset {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keyset
}

// look returns the keyset that is in force, after a look at the file if it is time or must be.
func (r *Ring) look(must bool) *Keyset {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); must || now.Sub(r.looked) >= lookEvery {
		r.looked = now
		r.note(r.renew())
	}
	return r.keyset
}

// renew reads the file if it has changed. The caller holds the lock.
func (r *Ring) renew() error {
	info, err := os.Stat(r.path)
	if err != nil {
		return fmt.Errorf("read master keyset: %w", err)
	}
	if os.SameFile(info, r.read) && info.ModTime().Equal(r.read.ModTime()) && info.Size() == r.read.Size() && info.Mode() == r.read.Mode() {
		return nil
	}
	next, info, err := readFile(r.path)
	if err != nil {
		return err
	}
	if !slices.Contains(next.numbers, r.keyset.primary) {
		return fmt.Errorf("master keyset %s does not hold key %d any more, which is in use", r.path, r.keyset.primary)
	}
	if again, ok := next.promoted(r.promoted); ok {
		next = again
	}
	if next.primary != r.keyset.primary {
		r.log.Info("the master keyset has another primary key", "file", r.path, "key", next.primary, "before", r.keyset.primary)
	}
	r.keyset, r.read = next, info
	return nil
}

// note logs each problem once, and that it is over. The caller holds the lock.
func (r *Ring) note(err error) {
	switch {
	case err != nil && (r.problem == nil || r.problem.Error() != err.Error()):
		r.log.Error("the master keyset's file cannot be used; the one that was read before stays in force, and the next start will fail", "error", err)
	case err == nil && r.problem != nil:
		r.log.Info("the master keyset's file can be used again", "file", r.path)
	}
	r.problem = err
}
