package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// BackupOptions say what is backed up where.
type BackupOptions struct {
	// Database names a database, as in [Options]; servers may use it meanwhile.
	Database string
	// To is the path of a file that does not exist yet.
	To string
	// Progress, if not nil, is told how far the backup is, after each batch.
	Progress func(CopyProgress)
}

// Backup copies a store as it is at one moment into one SQLite file, for the owner's eyes only. The file gets its name when it
// is complete, checked and on disk. It is a store that a server can use; what was leased is due.
func Backup(ctx context.Context, o BackupOptions) (_ *CopyReport, err error) {
	if err := checkAbsent(o.To); err != nil {
		return nil, err
	}
	from, err := openSide(ctx, o.Database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	if err := from.begin(ctx); err != nil {
		return nil, fmt.Errorf("read %s: %w", from.shown, err)
	}
	if err := from.checkSource(ctx); err != nil {
		return nil, err
	}
	partial, err := makePartial(o.To)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removePartial(partial)) }()
	report, err := fillFile(ctx, from, partial, o.Progress)
	if err != nil {
		return report, fmt.Errorf("back up %s: %w; no file was made", from.shown, err)
	}
	return report, publish(partial, o.To)
}

func checkAbsent(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return existsError(path, err)
	}
	return nil
}

func existsError(path string, err error) error {
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("look for %s: %w", path, err)
	}
	return &hook.ConflictError{Verb: "write " + path, State: "there already", Detail: "a backup overwrites nothing; name another file, or move that one away"}
}

// makePartial makes the file that the backup is written to.
func makePartial(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*") // for the owner alone: see os.CreateTemp
	if err != nil {
		return "", fmt.Errorf("make file: %w", err)
	}
	return f.Name(), f.Close()
}

// removePartial removes what a backup that failed has left, or the second name of one that did not.
func removePartial(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove file: %w", err))
		}
	}
	return errors.Join(errs...)
}

// fillFile makes a store of an empty file.
func fillFile(ctx context.Context, from *copySide, path string, progress func(CopyProgress)) (report *CopyReport, err error) {
	if err := migrateSQLite(ctx, path); err != nil {
		return nil, err
	}
	to, err := openSQLiteSide(ctx, path, sqliteFilling()...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	c := &copier{from: from, to: to, now: time.Now(), progress: progress}
	if report, err = c.run(ctx); err != nil {
		return report, err
	}
	return report, to.single()
}

// single makes a database a single file.
func (s *copySide) single() error {
	c, ok := s.copyEnd.(*sqliteCopy)
	if !ok {
		return nil
	}
	if err := c.conn.run("PRAGMA journal_mode = DELETE"); err != nil {
		return fmt.Errorf("close file: %w", translate(err))
	}
	return nil
}

// publish gives a file that is complete its name, unless that was taken meanwhile.
func publish(partial, path string) error {
	if err := syncPath(partial, os.O_RDWR); err != nil {
		return err
	}
	// A link is refused where the name is taken; a file system without links leaves a moment between the look and the renaming.
	err := os.Link(partial, path)
	switch {
	case errors.Is(err, fs.ErrExist):
		return existsError(path, err)
	case err != nil:
		if err := checkAbsent(path); err != nil {
			return err
		}
		if err := os.Rename(partial, path); err != nil {
			return fmt.Errorf("name file: %w", err)
		}
	}
	if runtime.GOOS == "windows" {
		return nil // where folders cannot be synced
	}
	return syncPath(filepath.Dir(path), os.O_RDONLY)
}

// syncPath waits until a file or a folder is on disk.
func syncPath(path string, mode int) (err error) {
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return fmt.Errorf("sync file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync file: %w", err)
	}
	return nil
}
