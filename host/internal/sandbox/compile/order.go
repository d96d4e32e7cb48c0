package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Order is a module to be compiled. Only modules that have passed the gate and
// the meter are worth a child, but the Compiler holds for any bytes.
type Order struct {
	Wasm []byte
	// Owner names who has it compiled; "": the operator, who waits for no owner.
	Owner string
	// Effort is the gate's estimate of what compiling the module costs
	// (gate.Module.Effort); it says what the child may take. 0: next to nothing.
	Effort uint64
	// Stoppable must be what the loading runtime is told by
	// WithCloseOnContextDone: it changes the code.
	Stoppable bool
}

// about is what compiling is expected to cost.
func (o Order) about() time.Duration { return o.expect(leastUnit).cpu }

// key names the compiled code in the cache: whatever it depends on is in it.
// maker tells builds of the compiler and processors apart.
func (o Order) key(maker string) string {
	module := sha256.Sum256(o.Wasm)
	sum := sha256.Sum256(fmt.Appendf(nil, "forge 1\n%q\n%t\n%x", maker, o.Stoppable, module))
	return hex.EncodeToString(sum[:])
}
