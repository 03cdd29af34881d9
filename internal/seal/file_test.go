package seal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hookswitch/hookswitch/internal/seal"
	"github.com/hookswitch/hookswitch/internal/seal/sealtest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func made(t testing.TB) (string, *seal.Keyset) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.keyset")
	k, err := seal.MakeFile(path)
	must(t, err)
	return path, k
}

// A keyset's file is made once, for the owner alone, and holds the keyset that was returned.
func TestMakeFile(t *testing.T) {
	path, k := made(t)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	if _, err := seal.MakeFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	read, err := seal.ReadFile(path)
	must(t, err)
	if read.Primary() != k.Primary() {
		t.Errorf("read key %d, made key %d", read.Primary(), k.Primary())
	}
	list, err := os.ReadDir(filepath.Dir(path))
	if must(t, err); len(list) != 1 {
		t.Errorf("the folder holds %v", list)
	}
}

// What is no keyset's file is refused with an error that says how to mend it, and repeats nothing of the file.
func TestFileRefused(t *testing.T) {
	const secret = "conspicuous"
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		make func(path string) error
		want string
	}{
		"missing":         {func(string) error { return nil }, "no such file"},
		"a folder":        {func(path string) error { return os.Mkdir(path, 0o700) }, "is a folder"},
		"text":            {func(path string) error { return os.WriteFile(path, []byte(secret), 0o600) }, "is no keyset"},
		"empty":           {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "is no keyset"},
		"half a keyset":   {func(path string) error { return os.WriteFile(path, []byte(sealtest.Text[:200]), 0o600) }, "is no keyset"},
		"too large":       {func(path string) error { return os.WriteFile(path, make([]byte, seal.FileBytesMax+1), 0o600) }, "larger than"},
		"for the group":   {func(path string) error { return write(path, 0o640) }, "chmod 600"},
		"for everybody":   {func(path string) error { return write(path, 0o604) }, "chmod 600"},
		"others write it": {func(path string) error { return write(path, 0o602) }, "chmod 600"},
	} {
		path := filepath.Join(dir, name)
		must(t, tt.make(path))
		_, err := seal.ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "GiCD") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func write(path string, mode fs.FileMode) error {
	return errors.Join(os.WriteFile(path, []byte(sealtest.Text), 0o600), os.Chmod(path, mode))
}

// A staged key opens and does not seal before it is promoted; a key that is left out does not open any more.
func TestStagePromoteWithout(t *testing.T) {
	first, err := seal.New()
	must(t, err)
	sealed, number, err := first.Seal([]byte("text"), "a")
	must(t, err)
	staged, err := first.Stage()
	must(t, err)
	if staged.Primary() != number || staged.Staged() == 0 || first.Staged() != 0 {
		t.Errorf("staged: primary %d, staged %d; before: staged %d", staged.Primary(), staged.Staged(), first.Staged())
	}
	promoted, err := staged.Promote()
	must(t, err)
	newer, by, err := promoted.Seal([]byte("text"), "a")
	must(t, err)
	if by != staged.Staged() || promoted.Staged() != 0 || !slices.Equal(promoted.Numbers(), []uint32{number, by}) {
		t.Errorf("promoted: sealed with %d, staged %d, %v", by, promoted.Staged(), promoted.Numbers())
	}
	for name, k := range map[string]*seal.Keyset{"staged": staged, "promoted": promoted} {
		for _, text := range [][]byte{sealed, newer} {
			if plain, err := k.Open(text, "a"); err != nil || string(plain) != "text" {
				t.Errorf("%s: %q, %v", name, plain, err)
			}
			if _, err := k.Open(text, "b"); !errors.Is(err, seal.ErrForged) {
				t.Errorf("%s, of another record: %v", name, err)
			}
		}
	}
	only, err := promoted.Without([]uint32{number})
	must(t, err)
	if _, err := only.Open(sealed, "a"); !errors.As(err, new(*seal.UnknownKeyError)) {
		t.Errorf("under a key that was left out: %v", err)
	}
	if _, err := only.Without([]uint32{by}); err == nil {
		t.Error("the primary key was left out")
	}
	if _, err := only.Promote(); err == nil {
		t.Error("promoted what is not staged")
	}
}

// Changes of a file are made one after the other, and none of them is lost.
func TestChangeFileBesideOthers(t *testing.T) {
	path, _ := made(t)
	const changes = 20
	var wg sync.WaitGroup
	for range changes {
		wg.Go(func() {
			if _, err := seal.ChangeFile(path, (*seal.Keyset).Stage); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k, err := seal.ReadFile(path)
	must(t, err)
	if got := len(k.Numbers()); got != changes+1 {
		t.Errorf("%d keys, want %d", got, changes+1)
	}
	refused := errors.New("refused")
	if _, err := seal.ChangeFile(path, func(*seal.Keyset) (*seal.Keyset, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("a refused change: %v", err)
	}
}

// What a process that was killed has left beside the file, a copy of its keys, is gone after the next change.
func TestChangeFileRemovesPartials(t *testing.T) {
	path, _ := made(t)
	must(t, os.Link(path, path+".partial-123"))
	must(t, os.WriteFile(path+".kept", nil, 0o600))
	_, err := seal.ChangeFile(path, (*seal.Keyset).Stage)
	must(t, err)
	list, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if want := []string{"master.keyset", "master.keyset.kept", "master.keyset.lock"}; !slices.Equal(names, want) {
		t.Errorf("the folder holds %v, want %v", names, want)
	}
}

// A staged key that others seal with becomes primary in memory, and stays so while the file changes without it; no other key does.
func TestRingPromotes(t *testing.T) {
	path, first := made(t)
	staged, err := seal.ChangeFile(path, (*seal.Keyset).Stage)
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		r, err := seal.Follow(path, slog.New(slog.DiscardHandler))
		must(t, err)
		if r.Promote(1) || r.Primary() != first.Primary() {
			t.Errorf("a key that is not there is primary")
		}
		if !r.Promote(staged.Staged()) || r.Primary() != staged.Staged() {
			t.Errorf("key %d is primary", r.Primary())
		}
		must(t, os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)))
		<-time.After(3 * time.Second)
		if r.Primary() != staged.Staged() || r.Problem() != nil {
			t.Errorf("after a change of the file: key %d, %v", r.Primary(), r.Problem())
		}
		_, err = seal.ChangeFile(path, (*seal.Keyset).Promote)
		must(t, err)
		<-time.After(3 * time.Second)
		if r.Primary() != staged.Staged() || r.Promote(first.Primary()) {
			t.Errorf("after the promotion in the file: key %d", r.Primary())
		}
	})
}

func rotate(k *seal.Keyset) (*seal.Keyset, error) {
	staged, err := k.Stage()
	if err != nil {
		return nil, err
	}
	return staged.Promote()
}

// A ring seals with the new key soon after the file has it, and opens what others sealed with it at once.
func TestRingFollows(t *testing.T) {
	path, first := made(t)
	synctest.Test(t, func(t *testing.T) {
		r, err := seal.Follow(path, slog.New(slog.DiscardHandler))
		must(t, err)
		next, err := seal.ChangeFile(path, rotate)
		must(t, err)
		if got := r.Primary(); got != first.Primary() {
			t.Errorf("at once: key %d", got)
		}
		sealed, _, err := next.Seal([]byte("text"), "a")
		must(t, err)
		if plain, err := r.Open(sealed, "a"); err != nil || string(plain) != "text" {
			t.Errorf("open: %q, %v", plain, err)
		}
		next, err = seal.ChangeFile(path, rotate)
		must(t, err)
		<-time.After(3 * time.Second)
		if _, by, err := r.Seal(nil, "a"); err != nil || by != next.Primary() {
			t.Errorf("sealed with %d, %v, want %d", by, err, next.Primary())
		}
	})
}

// A file that breaks while it is followed is reported once, and the keys that were read stay in force until it is mended.
func TestRingKeepsWhatItHas(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"broken":  func(path string) error { return os.WriteFile(path, []byte("conspicuous"), 0o600) },
		"another": func(path string) error { return write(path, 0o600) },
		"open":    func(path string) error { return os.Chmod(path, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			path, first := made(t)
			text, err := os.ReadFile(path)
			must(t, err)
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				r, err := seal.Follow(path, slog.New(slog.NewTextHandler(&log, nil)))
				must(t, err)
				must(t, spoil(path))
				for range 3 {
					<-time.After(3 * time.Second)
					if _, by, err := r.Seal(nil, "a"); err != nil || by != first.Primary() {
						t.Errorf("sealed with %d, %v", by, err)
					}
					if r.Problem() == nil {
						t.Error("there is no problem")
					}
				}
				if got := strings.Count(log.String(), "level=ERROR"); got != 1 || strings.Contains(log.String(), "conspicuous") {
					t.Errorf("logged %d times:\n%s", got, &log)
				}
				must(t, os.WriteFile(path, text, 0o600))
				must(t, os.Chmod(path, 0o600))
				<-time.After(3 * time.Second)
				if err := r.Problem(); err != nil {
					t.Errorf("mended: %v", err)
				}
			})
		})
	}
}
