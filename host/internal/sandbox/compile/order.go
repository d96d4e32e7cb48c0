package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Order is a module to compile. Modules should have passed the gate and the meter,
// but the Compiler is safe with any bytes.
type Order struct {
	Wasm []byte
	// Owner is whose module it is; "": the operator's, who waits for no owner.
	Owner string
	// Effort is the gate's estimate of what compiling the module costs
	// (gate.Module.Effort); it says what the child may take. 0: next to nothing.
	Effort uint64
	// Stoppable must be what the loading runtime is told by
	// WithCloseOnContextDone: it changes the code.
	Stoppable bool
}

// cpuEstimate is the processor time that compiling takes on a fast machine.
func (o Order) cpuEstimate() time.Duration { return o.estimate(leastUnit).cpu }

// key names the compiled code in the cache: whatever it depends on is in it.
// maker tells builds of the compiler and processors apart.
func (o Order) key(maker string) string {
	module := sha256.Sum256(o.Wasm)
	sum := sha256.Sum256(fmt.Appendf(nil, "forge 1\n%q\n%t\n%x", maker, o.Stoppable, module))
	return hex.EncodeToString(sum[:])
}
