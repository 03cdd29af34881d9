package pgtest

import (
	"bufio"
	"fmt"
	"os"
	"testing"
)

// childVariable makes the test binary a process that starts the shared server and then ends as it is told.
const childVariable = "HOOKSWITCH_PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	os.Exit(Main(m))
}

// child prints the server's URL and folder, and leaves without stopping anything when its input has a line.
func child() int {
	server, err := process.serve()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("%s %s\n", server.URL(maintenance), server.ground.folder)
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
