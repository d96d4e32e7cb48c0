package lab

import "fmt"

// bestFixed is the best fixed timeout as a policy among the others: on the same
// clients, the ratio of a policy's cost to its has an interval.
func (x *Experiment) bestFixed(ms int64) (p Policy, ok bool) {
	if x.Fixed == nil {
		return Policy{}, false
	}
	timeout := fmt.Sprintf("%dms", max(ms, 1))
	if ms < 0 {
		timeout = "0" // never
	}
	return Policy{Name: "best fixed", Module: "fixed", Wasm: x.Fixed, Params: map[string]string{"timeout": timeout}}, true
}
