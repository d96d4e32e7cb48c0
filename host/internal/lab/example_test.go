package lab_test

import (
	"fmt"

	"idlehost/host/internal/lab"
	"idlehost/plugins"
)

// A policy is named as on the command line. Of fixed, times alone will do, each of
// which is a policy.
func ExampleParse() {
	all, err := lab.Parse("fixed:5s,60s", func(module string) ([]byte, error) {
		wasm, _ := plugins.Lookup(module)
		return wasm, nil
	})
	for _, p := range all {
		fmt.Println(p.Name, p.Params)
	}
	fmt.Println(err)
	// Output:
	// fixed 5s map[timeout:5s]
	// fixed 60s map[timeout:60s]
	// <nil>
}
