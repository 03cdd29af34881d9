package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// System is all that the program takes from the machine it runs on, apart from files and the network.
type System struct {
	// Args are the arguments without the program's name.
	Args []string
	// Env returns a variable, as [os.LookupEnv] does.
	Env    func(name string) (value string, ok bool)
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// StdoutTerminal and StderrTerminal say whether a person looks at what is written there.
	StdoutTerminal bool
	StderrTerminal bool
}

// OS returns the system of the process.
func OS() System {
	return System{
		Args: os.Args[1:], Env: os.LookupEnv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		StdoutTerminal: terminal(os.Stdout), StderrTerminal: terminal(os.Stderr),
	}
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// exitSignal is added to the number of the signal that ended the process at once, as shells do.
const exitSignal = 128

// Signalled returns a context that the first SIGINT or SIGTERM ends, so that the command ends gracefully; a second one ends
// the process at once. It is for the process's own life and is called once.
func Signalled() context.Context {
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		end()
		if number, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(exitSignal + int(number))
		}
	}()
	return ctx
}

// Run runs the command that the arguments name and returns the exit code of the process. When ctx ends, a command that
// runs on ends gracefully, within its own bounds.
func Run(ctx context.Context, system System) int {
	a := &app{System: system}
	root := a.rootCommand()
	root.SetArgs(system.Args)
	root.SetIn(system.Stdin)
	root.SetOut(system.Stdout)
	root.SetErr(system.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		a.report(cmd, err)
	}
	return exitCodeOf(err)
}

// app is the program on one system. Each command is a method in the file of its name.
type app struct{ System }

// env returns a variable, or nothing when it is not set.
func (a *app) env(name string) string {
	value, _ := a.Env(name) // one that is not set is as good as an empty one
	return value
}
