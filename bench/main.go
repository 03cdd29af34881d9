package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	runtime.LockOSThread() // children die with the thread that started them, see dieWithParent: this one lives to the end
	if len(os.Args) == 2 && strings.HasPrefix(os.Args[1], rolePrefix) {
		runtime.UnlockOSThread() // a role starts nobody
		exit(runRole(context.Background(), os.Args[1]))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if ctx.Err() != nil {
		err = errInterrupted // whatever else is said then follows from it
	}
	exit(err)
}

var errInterrupted = errors.New("interrupted")

func exit(err error) {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func run(ctx context.Context, arguments []string) error {
	o, err := parseOptions(arguments, os.Stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hookswitch-bench-")
	if err != nil {
		return fmt.Errorf("make temporary folder: %w", err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintf(os.Stderr, "remove temporary folder: %v\n", err)
		}
	}()
	m, err := describe(ctx, dir, arguments)
	if err != nil {
		return err
	}
	b, err := newLab(ctx, o, dir)
	if err != nil {
		return err
	}
	defer b.close()
	rep, file, err := newReporter(o.out, m, os.Stdout)
	if err != nil {
		return err
	}
	if err = b.describeStore(ctx, rep); err == nil {
		err = b.scenarios(ctx, rep)
	}
	return errors.Join(err, rep.err, file.Close())
}

// scenarios runs the extras that were asked for, or else the comparison.
func (b *lab) scenarios(ctx context.Context, rep *reporter) error {
	x, asked := b.options.extras, false
	for _, s := range []struct {
		wanted bool
		run    func(context.Context, *reporter) error
	}{{x.history > 0, b.history}, {x.restart, b.restart}, {x.isolation, b.isolation}, {x.lists, b.lists}, {x.pages, b.pages}, {x.hostile, b.hostile}} {
		if !s.wanted {
			continue
		}
		asked = true
		if err := s.run(ctx, rep); err != nil {
			return err
		}
	}
	if asked {
		return nil
	}
	return b.compare(ctx, rep)
}
