package tck_test

import (
	"testing"

	"idlehost/plugins"
	"idlehost/sdk/tck"
)

func TestBundledPoliciesConform(t *testing.T) {
	for _, name := range plugins.Names() {
		t.Run(name, func(t *testing.T) {
			wasm, ok := plugins.Lookup(name)
			if !ok {
				t.Fatal("not found under its own name")
			}
			tck.Run(t, wasm)
		})
	}
}
