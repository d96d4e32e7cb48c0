//go:build !wasip1

package policy

import "os"

// Register makes p the module's policy. Call it once, in init: a reactor
// module's main is never run. Outside a guest, as in the policy's own tests,
// it only checks p and panics where the guest would.
func Register(p Policy) {
	if err := new(guest).register(p); err != nil {
		panic(err.Error())
	}
}

// Log writes a line to the host's log; the host keeps the first LogMax bytes,
// and limits the rate. Outside a guest it writes to standard error.
func Log(l Level, text string) {
	// Nobody is left to tell when standard error does not take it.
	_, _ = os.Stderr.WriteString(logText(text) + "\n")
}
