// Package scale measures what it takes to govern many idle connections: memory
// for each, deadlines that fall due at once with a policy asked for each, and
// all of them waking at once. It drives the idle layer and a bundled policy,
// without a proxy above; package peers has the whole program.
package scale

import (
	"fmt"
	"os"
	"testing"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/worker"
)

// What the test binary is, when it is started with one of these arguments.
const (
	beHost    = "be-host"    // governs as many connections as it is told
	beClients = "be-clients" // opens them
	beDue     = "be-due"     // governs those of some tenants, which are due at once
	// beCompiler compiles for a host; hosttest.WorkerArg runs its policies.
	beCompiler = "be-compiler"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == beHost:
		err = host(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == beClients:
		err = clients(os.Args[2], os.Args[3])
	case len(os.Args) == 5 && os.Args[1] == beDue:
		err = serveDue(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) > 1 && os.Args[1] == beCompiler:
		err = compile.Child(os.Stdin, os.Stdout)
	case len(os.Args) > 1 && os.Args[1] == hosttest.WorkerArg:
		err = worker.Main(os.Args[2:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
