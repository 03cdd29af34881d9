package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	// FileBytesMax bounds a keyset's file.
	FileBytesMax = 64 << 10
	// othersMode are the permissions that nobody but the owner may have of a keyset's file, and groupRead the one that a group may have
	// where the file is not the reader's own: as of a secret that Kubernetes mounts for a user without privileges.
	othersMode fs.FileMode = 0o077
	groupRead  fs.FileMode = 0o040
	// lockSuffix is what the file that is locked while a keyset's file is changed has behind its name.
	lockSuffix = ".lock"
	// partialInfix is what a file that is still being written has between the name that it is to get and a random number.
	partialInfix = ".partial-"
)

// ReadFile reads the keyset of a file that nobody but its owner may read. Where there is none, the error is [fs.ErrNotExist].
func ReadFile(path string) (*Keyset, error) {
	k, _, err := readFile(path)
	return k, err
}

func readFile(path string) (_ *Keyset, _ fs.FileInfo, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read master keyset: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read master keyset: %w", err)
	}
	if err := checkFile(info); err != nil {
		return nil, nil, fmt.Errorf("master keyset %s %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, FileBytesMax+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read master keyset: %w", err)
	}
	if len(text) > FileBytesMax {
		return nil, nil, fmt.Errorf("master keyset %s is larger than %d bytes", path, FileBytesMax)
	}
	k, err := Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("master keyset %s %w", path, err)
	}
	return k, info, nil
}

// checkFile refuses what cannot be a keyset's file, and one that others may read or write.
func checkFile(info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return errors.New("is a folder; name a file")
	case !mode.IsRegular():
		return errors.New("is no regular file")
	case runtime.GOOS == "windows": // where the bits say nothing
		return nil
	}
	others := mode.Perm() & othersMode
	if !ownFile(info) {
		others &^= groupRead
	}
	if others != 0 {
		return fmt.Errorf("may be read or changed by others (mode %04o): chmod 600 it, and think about who has read it", mode.Perm())
	}
	return nil
}

// MakeFile makes a keyset of one random key and its file, for the owner's eyes only. When it returns, the file is on disk: what is
// sealed after that can be opened again. A file that exists is never overwritten.
func MakeFile(path string) (*Keyset, error) {
	k, err := New()
	if err != nil {
		return nil, err
	}
	partial, err := writePartial(path, k)
	if err != nil {
		return nil, err
	}
	// A link is refused where the name is taken; a file system without links leaves a moment between the look and the renaming.
	err = os.Link(partial, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		if _, err = os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			if err = os.Rename(partial, path); err == nil {
				return k, syncFolder(path)
			}
		} else if err == nil {
			err = fs.ErrExist
		}
	}
	if err = errors.Join(err, os.Remove(partial)); err != nil {
		return nil, fmt.Errorf("make master keyset %s: %w", path, err)
	}
	return k, syncFolder(path)
}

// ChangeFile replaces a keyset's file by what change makes of it, at once for whoever reads it, while no other process changes
// it. When it returns, the new one is on disk.
func ChangeFile(path string, change func(*Keyset) (*Keyset, error)) (_ *Keyset, err error) {
	path, err = filepath.EvalSymlinks(path) // the file is replaced, not a link to it
	if err != nil {
		return nil, fmt.Errorf("find master keyset: %w", err)
	}
	unlock, err := lockFile(path + lockSuffix)
	if err != nil {
		return nil, fmt.Errorf("lock master keyset %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	old, info, err := readFile(path)
	if err != nil {
		return nil, err
	}
	next, err := change(old)
	if err != nil {
		return nil, err
	}
	partial, err := writePartial(path, next)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(keepOwner(partial, info), os.Rename(partial, path)); err != nil {
		return nil, fmt.Errorf("replace master keyset %s: %w", path, errors.Join(err, removeLeft(partial)))
	}
	return next, errors.Join(removePartials(path), syncFolder(path))
}

// removePartials removes what processes that were killed have left beside a keyset's file: keys, which somebody may believe to be gone. The
// caller has the lock; only a making of the file, which fails because there is one, may run beside it.
func removePartials(path string) error {
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("look for parts of master keysets: %w", err)
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+partialInfix) {
			err = errors.Join(err, removeLeft(filepath.Join(filepath.Dir(path), e.Name())))
		}
	}
	return err
}

// writePartial writes a keyset beside the name that it is to get, and waits until it is on disk.
func writePartial(path string, k *Keyset) (partial string, err error) {
	text, err := k.Encode()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+partialInfix+"*") // new, and for the owner alone: see os.CreateTemp
	if err != nil {
		return "", fmt.Errorf("write master keyset: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("write master keyset: %w", errors.Join(err, removeLeft(f.Name())))
	}
	return f.Name(), nil
}

func removeLeft(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolder waits until the name of a file is on disk.
func syncFolder(path string) (err error) {
	if runtime.GOOS == "windows" {
		return nil // where folders cannot be synced
	}
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
