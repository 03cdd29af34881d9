//go:build !linux

package main

import "syscall"

// dieWithParent can ask for nothing here: children end when their standard input does, the server only when it is told.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
