package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// rolePrefix begins the hidden first argument with which this program starts itself in another role.
const rolePrefix = "role:"

const (
	sinkRole      = "sink"
	relayRole     = "relay"
	generatorRole = "generator"
)

var errNoTrial = errors.New("no load is open")

// runRole runs a role until its standard input ends. The ledger is inherited as descriptor 3.
func runRole(ctx context.Context, argument string) error {
	role := strings.TrimPrefix(argument, rolePrefix)
	shared := os.NewFile(3, "ledger")
	switch role {
	case sinkRole:
		return runSink(ctx, shared, os.Stdin, os.Stdout)
	case relayRole:
		return runRelay(ctx, os.Stdin, os.Stdout)
	case attackerRole:
		return runAttacker(ctx, os.Stdin, os.Stdout)
	case receiverRole:
		return runReceiver(ctx, os.Stdin, os.Stdout)
	case generatorRole:
		return runGenerator(ctx, shared, os.Stdin, os.Stdout)
	}
	return fmt.Errorf("no role %q", role)
}

// runGenerator is the generator's role: a load is opened, sends at one or several paces, and is closed.
func runGenerator(ctx context.Context, shared *os.File, in io.Reader, out io.Writer) error {
	l, err := openLedger(shared)
	if err != nil {
		return err
	}
	var g *generator
	return obey(ctx, in, out, map[string]verb{
		"open": with(func(ctx context.Context, a load) (any, error) {
			if g != nil {
				g.close()
			}
			g, err = newGenerator(ctx, a, l)
			return nil, err
		}),
		"send": with(func(ctx context.Context, p pace) (any, error) {
			if g == nil {
				return nil, errNoTrial
			}
			return g.send(ctx, p), nil
		}),
		"close": with(func(context.Context, struct{}) (any, error) {
			if g != nil {
				g.close()
			}
			g = nil
			return nil, nil
		}),
	})
}
