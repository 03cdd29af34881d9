// Package cli is the program hookswitch: its commands, what they print and how they exit.
//
// It guarantees to scripts that every command ends with one of the exit codes of `hookswitch help exit-codes`, that what
// was asked for goes to standard output and everything else to standard error, that --json prints one stable document (or
// one per line where a command runs on), and that no secret has to stand on a command line. It guarantees to operators
// that `serve` has committed or handed back everything it accepted when it ends, whether by a signal or by an error.
//
// Everything that a command takes from the machine comes in through [System], so tests run the whole program in their own
// process. [Run] returns only when every goroutine that it started has ended. The client commands speak to the server
// through package client alone; what they may meet (a problem document, no server, no key) is told apart by one table,
// exitCodes, and by nothing else.
package cli
