package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// childEndsMax bounds how long a child may take to end after its standard input was closed.
const childEndsMax = 5 * time.Second

// A child is one of this program's other roles in a process of its own. It takes orders as JSON lines on its standard
// input, one at a time, answers each on its standard output, and ends when its input does.
type child struct {
	role string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

type command struct {
	Verb string          `json:"verb"`
	Args json.RawMessage `json:"args"`
}

type reply struct {
	Error  string          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// startChild starts a role. The caller must run on a locked thread that lives as long as the child may, see dieWithParent.
func startChild(role string, shared *os.File) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	// No context: who ends a child, and how, is said by call and end.
	cmd := exec.Command(self, rolePrefix+role) //nolint:gosec,noctx // This very program, under a name of its own; see above.
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{shared}
	cmd.SysProcAttr = dieWithParent()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to %s: %w", role, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe from %s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return &child{role: role, cmd: cmd, in: in, out: json.NewDecoder(out)}, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// call gives one order and waits for its answer, which it reads into result unless that is nil. When ctx ends first the
// child is killed: its answer would be taken for that of the next order.
func (c *child) call(ctx context.Context, verb string, args, result any) error {
	stop := context.AfterFunc(ctx, func() {
		if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			fmt.Fprintf(os.Stderr, "kill %s: %v\n", c.role, err)
		}
	})
	defer stop()
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("encode %s for %s: %w", verb, c.role, err)
	}
	if err := json.NewEncoder(c.in).Encode(command{Verb: verb, Args: raw}); err != nil {
		return fmt.Errorf("tell %s to %s: %w", c.role, verb, errors.Join(context.Cause(ctx), err))
	}
	var r reply
	if err := c.out.Decode(&r); err != nil {
		return fmt.Errorf("hear from %s about %s: %w", c.role, verb, errors.Join(context.Cause(ctx), err))
	}
	if r.Error != "" {
		return fmt.Errorf("%s: %s: %s", c.role, verb, r.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(r.Result, result); err != nil {
		return fmt.Errorf("decode answer of %s: %w", c.role, err)
	}
	return nil
}

// end closes the child's input and waits for it, by force if it must.
func (c *child) end() {
	if err := c.in.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "close input of %s: %v\n", c.role, err)
	}
	endProcess(c.cmd, childEndsMax)
}

// endProcess waits for a process that was told to end, and kills it when that takes too long.
func endProcess(cmd *exec.Cmd, patience time.Duration) {
	killer := time.AfterFunc(patience, func() {
		// It has ended meanwhile, or it cannot be killed: nothing is left to do in either case.
		_ = cmd.Process.Kill()
	})
	defer killer.Stop()
	// How a child ended says nothing once its results are in, and those that matter were answered.
	_ = cmd.Wait()
}

// A verb carries out one order.
type verb func(ctx context.Context, args json.RawMessage) (any, error)

// obey is a child's main loop.
func obey(ctx context.Context, in io.Reader, out io.Writer, verbs map[string]verb) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o command
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read order: %w", err)
		}
		var r reply
		if err := carryOut(ctx, verbs, o, &r); err != nil {
			r.Error = err.Error()
		}
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("answer order: %w", err)
		}
	}
}

func carryOut(ctx context.Context, verbs map[string]verb, o command, r *reply) error {
	do, ok := verbs[o.Verb]
	if !ok {
		return fmt.Errorf("unknown order %q", o.Verb)
	}
	result, err := do(ctx, o.Args)
	if err != nil {
		return err
	}
	r.Result, err = json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	return nil
}

// with adapts a function with typed arguments to a verb.
func with[T any](do func(ctx context.Context, args T) (any, error)) verb {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args T
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, fmt.Errorf("decode arguments: %w", err)
		}
		return do(ctx, args)
	}
}
