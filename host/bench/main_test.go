package bench

import (
	"fmt"
	"os"
	"testing"

	"idlehost/host/internal/sandbox/compile"
)

// What the test binary is, when it is started with one of these arguments.
const (
	compileApart = "compile-apart" // the child that compiles
	beShared     = "be-shared"     // the host of two tenants, in front of an upstream
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == compileApart:
		err = compile.Child(os.Stdin, os.Stdout)
	case len(os.Args) == 4 && os.Args[1] == beShared:
		err = serveShared(os.Args[2], os.Args[3])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
