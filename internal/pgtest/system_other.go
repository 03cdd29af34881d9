//go:build !linux

package pgtest

import (
	"io/fs"
	"syscall"
)

// attributes are Linux's; elsewhere the servers run as the user of the tests, who must not be root.
func (account) attributes() *syscall.SysProcAttr {
	return nil
}

// ours is false where nobody can say: folders that were left stay.
func ours(fs.FileInfo) bool {
	return false
}
