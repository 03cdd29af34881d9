// Hookswitch tells third-party systems that a chat or a secure e-mail in a contact centre has STARTED or FINISHED.
package main

import (
	"os"

	"github.com/hookswitch/hookswitch/internal/cli"
)

func main() {
	os.Exit(cli.Run(cli.Signalled(), cli.OS()))
}
