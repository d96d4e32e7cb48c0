// Command host is a reverse proxy whose idle connections are governed by
// sandboxed WebAssembly policies.
package main

import (
	"context"
	"os"

	"idlehost/host/internal/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
