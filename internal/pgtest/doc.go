// Package pgtest gives tests a real PostgreSQL, 15 or newer, from the programs that are installed (scripts/setup installs
// them). Only tests use it.
//
// What it guarantees to a test. A database is its own: empty, or cloned from a template that was filled once, and dropped when
// the test ends. The databases of a test process share one server, which is made for speed: it is started at first use and
// does not wait for the disk, so that it keeps what was committed when its processes die, but not when the machine does. A
// test that stops the server, freezes it or kills it takes a Server of its own.
//
// What it guarantees to the machine. A server listens on 127.0.0.1 only, runs as the test's user (as root: as the user
// postgres), keeps everything in one folder of the process in the temporary folder, and on Linux never outlives the process,
// however that ends: returned, os.Exit, a panic, SIGKILL. A process that could not delete its folder leaves that to the next one.
//
// What may fail: where PostgreSQL is missing, or does not start, the test fails, and says why; nothing is ever skipped. While a
// server runs, one goroutine holds it (the method hold of Server); a test that counts goroutines has to know it. Nothing here may
// be called inside a bubble of testing/synctest.
package pgtest
