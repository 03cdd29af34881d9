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

// A procStat is what /proc/<pid>/stat says of a process, see proc_pid_stat(5).
type procStat struct {
	name   string
	parent int
	own    time.Duration // CPU time in user and kernel mode, with all threads
	waited time.Duration // the same of children that have ended and were waited for
}

// readStat reads a process's line; ok is false where there is no /proc, or no such process.
func readStat(pid int) (s procStat, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, false
	}
	return parseStat(text)
}

// parseStat takes the second field, the fourth, and those from the fourteenth to the seventeenth.
func parseStat(text []byte) (s procStat, ok bool) {
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')') // the name may hold anything
	if begin < 0 || end < begin {
		return s, false
	}
	s.name = string(text[begin+1 : end])
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return s, false
	}
	numbers := make([]int64, 0, 5)
	for _, i := range []int{1, 11, 12, 13, 14} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return s, false
		}
		numbers = append(numbers, n)
	}
	s.parent = int(numbers[0])
	s.own = time.Duration(numbers[1]+numbers[2]) * (time.Second / ticksPerSecond)
	s.waited = time.Duration(numbers[3]+numbers[4]) * (time.Second / ticksPerSecond)
	return s, true
}

// cpuTime returns the CPU time that processes have used together. Where there is no /proc it is zero.
func cpuTime(pids ...int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		s, _ := readStat(pid) // zero
		sum += s.own
	}
	return sum
}

// familyCPU returns the CPU time of a process and its children, those included that have ended.
func familyCPU(pid int) time.Duration {
	s, ok := readStat(pid)
	if !ok {
		return 0
	}
	sum := s.own + s.waited
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		number, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if child, ok := readStat(number); ok && child.parent == pid {
			sum += child.own
		}
	}
	return sum
}

// memoryOf returns one line of /proc/<pid>/status in bytes, for processes together.
func memoryOf(pids []int, name string) int64 {
	var sum int64
	for _, pid := range pids {
		sum += memoryBytes(pid, name)
	}
	return sum
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
