package main

import "syscall"

// dieWithParent makes a child die when the thread that started it does: even a parent that is killed leaves no child. The
// child has a process group of its own, so that Ctrl-C reaches the parent alone, which then ends its children in order.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
