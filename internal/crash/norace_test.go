//go:build !race

package crash_test

// raced says that this test, and so the server that it builds, has the race detector.
const raced = false
