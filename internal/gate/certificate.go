package gate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// LookEvery is how often the files of a certificate are looked at.
	LookEvery = 5 * time.Second
	// pairBytesMax bounds each of the two files.
	pairBytesMax = 1 << 20
	// othersMayRead are the bits of a file's mode that let everybody on the machine read or change it.
	othersMayRead fs.FileMode = 0o006
)

// Certificate is a pair of files: a chain of certificates and the key of the first of them, both in PEM. It is what was read last and
// was good.
type Certificate struct {
	chain, key string
	log        *slog.Logger
	good       atomic.Pointer[tls.Certificate]
	// broken is whether the files hold something else, which cannot be used.
	broken atomic.Bool
	// taken is the sum of what is in use; seen is that of what was looked at last, and told whether it was complained about. Only
	// OpenCertificate and Run touch them.
	taken, seen [sha256.Size]byte
	told        bool
}

// OpenCertificate reads a pair. Nothing looks at the files again before Run does.
func OpenCertificate(chain, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{chain: chain, key: key, log: log}
	sum, pair, err := c.read()
	if err != nil {
		return nil, err
	}
	c.good.Store(pair)
	c.taken, c.seen = sum, sum
	return c, nil
}

// Run looks at the files every few seconds, and when a signal says so, until ctx ends, and takes what is new and good.
func (c *Certificate) Run(ctx context.Context, now <-chan os.Signal) error {
	ticker := time.NewTicker(LookEvery)
	defer ticker.Stop()
	for waitFor(ctx, ticker.C, now) {
		c.look()
	}
	return nil
}

// look takes a new pair. One that is broken is complained about when it is still the same at the next look: until then somebody may
// be in the middle of writing it.
func (c *Certificate) look() {
	sum, pair, err := c.read()
	again := sum == c.seen
	if !again {
		c.seen, c.told = sum, false
	}
	switch {
	case err == nil:
		c.broken.Store(false)
		if sum != c.taken {
			c.taken = sum
			c.good.Store(pair)
			c.log.Info("certificate taken", "file", c.chain, "not_after", pair.Leaf.NotAfter.UTC())
		}
	case again && !c.told:
		c.told = true
		c.broken.Store(true)
		c.log.Error("certificate not taken, the one before it stays in use", "error", err, "not_after", c.NotAfter().UTC())
	}
}

// read reads the pair; the sum is that of both files, or of what kept them from being read.
func (c *Certificate) read() (sum [sha256.Size]byte, _ *tls.Certificate, err error) {
	chain, err := readBounded(c.chain)
	if err != nil {
		return sha256.Sum256([]byte(err.Error())), nil, fmt.Errorf("read tls-cert: %w", err)
	}
	key, err := readKey(c.key)
	if err != nil {
		return sha256.Sum256([]byte(err.Error())), nil, fmt.Errorf("read tls-key: %w", err)
	}
	h := sha256.New()
	for _, part := range [][]byte{chain, key} {
		one := sha256.Sum256(part)
		h.Write(one[:])
	}
	h.Sum(sum[:0])
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return sum, nil, fmt.Errorf("use %s with the key %s: %w", c.chain, c.key, err)
	}
	return sum, &pair, nil
}

// readKey reads a key that others cannot read. A group may: that is how Kubernetes and systemd hand out keys.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&othersMayRead != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s may be read or changed by everybody on this machine (mode %#o): chmod 600 %s", path, mode, path)
	}
	return readBounded(path)
}

func readBounded(path string) (text []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = io.ReadAll(io.LimitReader(f, pairBytesMax+1))
	if err == nil && len(text) > pairBytesMax {
		err = fmt.Errorf("%s is larger than %d bytes", path, pairBytesMax)
	}
	return text, err
}

func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.good.Load(), nil }

// NotAfter returns when the certificate that is in use ends; the zero time for nil.
func (c *Certificate) NotAfter() time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.good.Load().Leaf.NotAfter
}

// Broken reports whether the files hold a pair that cannot be used, so that the one before it stays; false for nil.
func (c *Certificate) Broken() bool { return c != nil && c.broken.Load() }
