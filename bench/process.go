package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU time in /proc/<pid>/stat: USER_HZ, 100 on every Linux platform that Go supports.
const ticksPerSecond = 100

// done closes what was only read, or holds nothing that anybody wants: whether closing it works changes no result.
func done(c io.Closer) {
	_ = c.Close()
}

// cpuTime returns the CPU time that a process has used, in user and kernel mode, with all its threads: fields 14 and 15 of
// /proc/<pid>/stat, see proc_pid_stat(5). Where there is no /proc it is zero.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')'):], []byte(" ")) // the name before may hold anything
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / ticksPerSecond)
}

// memoryBytes returns one line of /proc/<pid>/status in bytes: VmRSS is what is resident now, VmHWM the most there ever
// was. Where there is no /proc it is zero.
func memoryBytes(pid int, name string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return parseMemory(string(text), name)
}

func parseMemory(status, name string) int64 {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, name+":")
		if !ok {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0
		}
		return kilobytes << 10
	}
	return 0
}
