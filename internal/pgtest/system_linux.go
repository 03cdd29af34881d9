package pgtest

import (
	"io/fs"
	"os"
	"syscall"
)

// attributes make a program run as the account and end when the thread that started it does, as pg_ctl's immediate stop ends it.
// The system forgets that signal when a program changes its user; package syscall therefore asks for it after the change.
func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if a.other {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attributes
}

// ours reports whether a folder belongs to the user of this process.
func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
