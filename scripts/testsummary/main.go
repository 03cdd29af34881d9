// Testsummary reads what `go test -json` writes, prints what `go test` would have printed, and ends with a line
// "N passed, N failed". Its exit status is 0 only if at least one test ran, none failed and none was skipped.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	verbose := len(os.Args) > 1 && os.Args[1] == "-v"
	ok, err := run(os.Stdin, os.Stdout, verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, verbose bool) (bool, error) {
	w := bufio.NewWriter(out)
	s := newSummary(w, verbose)
	r := bufio.NewReader(in)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			s.add(line)
			if flushErr := w.Flush(); flushErr != nil {
				return false, fmt.Errorf("print: %w", flushErr)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, fmt.Errorf("read test events: %w", err)
		}
	}
	ok := s.finish()
	if err := w.Flush(); err != nil {
		return false, fmt.Errorf("print: %w", err)
	}
	return ok, nil
}
