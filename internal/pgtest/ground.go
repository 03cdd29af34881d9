package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	superuser    = "postgres"           // of every server; as root also the system's user that runs them
	folderPrefix = "hookswitch-pgtest-" // followed by the process id
	initdbWait   = 2 * time.Minute
)

// A ground is what the servers of a process stand on: the programs, a folder, and a cluster that was initialised once and is
// only copied.
type ground struct {
	programs string
	folder   string
	pristine string
	account  account
}

// An account is the user that runs PostgreSQL, which refuses to run as root.
type account struct {
	uid, gid int
	other    bool // than the user of this process
}

func newGround() (*ground, error) {
	programs, err := findPrograms(filepath.SplitList(os.Getenv("PATH")), debianFolders)
	if err != nil {
		return nil, err
	}
	who, err := findAccount()
	if err != nil {
		return nil, err
	}
	sweep(os.TempDir())
	folder, err := os.MkdirTemp("", folderPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	g := &ground{programs: programs, folder: folder, account: who}
	if err := g.initialise(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return g, nil
}

func findAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	found, err := user.Lookup(superuser)
	if err != nil {
		return account{}, fmt.Errorf("as root PostgreSQL is run as the user %s (run scripts/setup): %w", superuser, err)
	}
	uid, uidErr := strconv.Atoi(found.Uid)
	gid, gidErr := strconv.Atoi(found.Gid)
	return account{uid: uid, gid: gid, other: true}, errors.Join(uidErr, gidErr)
}

// initialise makes the cluster that the servers' clusters are copied from: initdb takes as long as dozens of copies.
func (g *ground) initialise() error {
	if err := os.Chmod(g.folder, 0o755); err != nil { //nolint:gosec // the server's user must get through; the data is closed
		return fmt.Errorf("open folder: %w", err)
	}
	g.pristine = filepath.Join(g.folder, "pristine")
	if err := os.Mkdir(g.pristine, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := g.own(g.pristine); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), initdbWait)
	defer cancel()
	runtime.LockOSThread() // see hold
	defer runtime.UnlockOSThread()
	out, err := g.command(ctx, "initdb", "--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8", "--locale=C",
		"--username="+superuser, "--pgdata="+g.pristine).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run initdb: %w\n%s", err, out)
	}
	return nil
}

// newCluster makes a folder for a server, with a cluster in it.
func (g *ground) newCluster() (string, error) {
	folder, err := os.MkdirTemp(g.folder, "server-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // as above
		return "", fmt.Errorf("open folder: %w", err)
	}
	if err := g.copyTree(g.pristine, filepath.Join(folder, "data")); err != nil {
		return "", errors.Join(fmt.Errorf("copy cluster: %w", err), os.RemoveAll(folder))
	}
	return folder, nil
}

func (g *ground) copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if entry.IsDir() {
			err = os.Mkdir(target, 0o700)
		} else {
			err = copyFile(path, target)
		}
		return errors.Join(err, g.own(target))
	})
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // it was only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// own gives a file to the user that runs PostgreSQL.
func (g *ground) own(path string) error {
	if !g.account.other {
		return nil
	}
	return os.Lchown(path, g.account.uid, g.account.gid)
}

// command is one of PostgreSQL's programs, as its user. It ends with the thread that starts it (see hold).
func (g *ground) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(g.programs, program), args...) //nolint:gosec // a program that was looked for
	// The user may not be let into the folder of the tests.
	cmd.Dir = g.folder
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = g.account.attributes()
	return cmd
}

// sweep deletes the folders that processes left which could not: killed ones. What it cannot delete, it leaves.
func sweep(parent string) {
	folders, err := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	if err != nil {
		return
	}
	for _, folder := range folders {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), folderPrefix), "-")
		pid, err := strconv.Atoi(number)
		if err != nil || pid <= 0 || alive(pid) {
			continue
		}
		if info, err := os.Lstat(folder); err == nil && info.IsDir() && ours(info) {
			_ = os.RemoveAll(folder) // another process may be deleting it too
		}
	}
}

func alive(pid int) bool {
	found, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer found.Release() //nolint:errcheck // nothing was started
	return !errors.Is(found.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
