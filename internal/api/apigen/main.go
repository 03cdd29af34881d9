// Command apigen writes the OpenAPI document of the API to a file.
package main

import (
	"fmt"
	"os"

	"github.com/hookswitch/hookswitch/internal/api"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apigen <file>")
		os.Exit(2)
	}
	const readable = 0o644
	if err := os.WriteFile(os.Args[1], api.Document(), readable); err != nil { //nolint:gosec // the file is the one that the caller names
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
