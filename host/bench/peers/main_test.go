package main

import (
	"fmt"
	"os"
	"testing"
)

// TestMain lets the test binary be what the program is in another role.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case beUpstream, beClients, beBare, beKeeper:
			if err := dispatch(os.Args[1:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	// The race detector of each process would wait a second at its end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}
