package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

func ownFile(fs.FileInfo) bool { return true }

func keepOwner(string, fs.FileInfo) error { return nil }

// lockFile makes a file that must not exist; what a killed process leaves must be removed by hand.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("another process changes it; if none does, remove %s: %w", path, err)
	}
	return func() error { return errors.Join(f.Close(), os.Remove(path)) }, nil
}
