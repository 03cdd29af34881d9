package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// fsyncProbes is how many appends the disk is probed with.
const fsyncProbes = 200

// A machine says where, of what and how results were measured.
type machine struct {
	At      time.Time     `json:"at"`
	CPU     string        `json:"cpu"`
	Cores   int           `json:"cores"`
	Go      string        `json:"go"`
	Kernel  string        `json:"kernel"`
	Fsync50 time.Duration `json:"fsync50Nano"`
	Fsync99 time.Duration `json:"fsync99Nano"`
	Commit  string        `json:"commit"`
	Command string        `json:"command"`
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores (%s), %s, %s; fsync of a 4 KiB append: median %v, p99 %v; commit %s; %#q",
		m.At.Format("2006-01-02 15:04 MST"), m.Cores, m.CPU, m.Kernel, m.Go, m.Fsync50.Round(time.Microsecond), m.Fsync99.Round(time.Microsecond),
		m.Commit, m.Command)
}

// describe looks at the machine; dir is where the stores will be.
func describe(ctx context.Context, dir string, arguments []string) (machine, error) {
	m := machine{
		At: time.Now().UTC(), CPU: "unknown CPU", Cores: runtime.NumCPU(), Go: runtime.Version(), Kernel: runtime.GOOS + "/" + runtime.GOARCH,
		Commit: commit(ctx), Command: strings.Join(append([]string{"go run ./bench"}, hidden(arguments)...), " "),
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				m.CPU = strings.TrimSpace(strings.TrimLeft(name, " \t:"))
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel += ", kernel " + strings.TrimSpace(string(text))
	}
	var err error
	m.Fsync50, m.Fsync99, err = probeFsync(dir)
	return m, err
}

// commit names the source that is measured, and says when it was changed since.
func commit(ctx context.Context) string {
	id, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "none"
	}
	name := strings.TrimSpace(string(id))
	if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain").Output(); err != nil || len(changed) > 0 {
		name += " with changes"
	}
	return name
}

// probeFsync appends and syncs, one 4 KiB block at a time.
func probeFsync(dir string) (p50, p99 time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "fsync-probe"))
	if err != nil {
		return 0, 0, fmt.Errorf("create probe: %w", err)
	}
	defer done(f) // it holds nothing of worth, and its folder is removed
	var h histogram
	block := make([]byte, 4<<10)
	for range fsyncProbes {
		begin := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, fmt.Errorf("write probe: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, 0, fmt.Errorf("sync probe: %w", err)
		}
		h.add(time.Since(begin))
	}
	p := h.percentiles(0.5, 0.99)
	return p[0], p[1], nil
}
