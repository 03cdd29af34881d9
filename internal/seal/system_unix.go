//go:build !windows

package seal

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// ownFile reports whether the process's user owns the file.
func ownFile(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(stat.Uid) == os.Geteuid()
}

// keepOwner gives a file that root replaces to whom the old one belonged, so that the server can read it.
func keepOwner(path string, old fs.FileInfo) error {
	stat, ok := old.Sys().(*syscall.Stat_t)
	if !ok || ownFile(old) {
		return nil
	}
	return os.Chown(path, int(stat.Uid), int(stat.Gid))
}

// lockFile waits for the lock of a file, which the system releases when the process dies, however it dies.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}
