package compile

import (
	"time"

	"idlehost/host/internal/sandbox/confine"
)

// marker is the variable of the environment that makes a process a child, and
// carries its limits.
const marker = "IDLEHOST_COMPILE_APART"

// What compiling is expected to take.
const (
	// leastUnit is the least processor time that a unit of effort (gate.Weight)
	// is expected to take. Modules that the gate lets in take 3 to 18 ns a unit on
	// a server of 2020s make, those built by Go 10 (TestEffortPredictsTime in
	// package meter).
	leastUnit = 20 * time.Nanosecond
	// mostUnit is the most, however slow the machine is.
	mostUnit = 2 * time.Microsecond
	// A child starts, and has its runtime.
	startTime   = 200 * time.Millisecond
	startMemory = 48 << 20
	// unitMemory is what a unit takes, in bytes: compiled functions are let go,
	// so it is the largest that counts.
	unitMemory = 3
	// mostEffort keeps the products small.
	mostEffort = 1 << 40
)

// estimate is what compiling an order is expected to take.
type estimate struct {
	cpu    time.Duration
	memory int64 // bytes, beyond those at the start
}

// estimate returns what an order takes on a machine where a unit of effort takes
// unit.
func (o Order) estimate(unit time.Duration) estimate {
	effort := int64(min(o.Effort, mostEffort))
	return estimate{
		cpu:    startTime + time.Duration(effort)*unit,
		memory: startMemory + effort*unitMemory,
	}
}

// allow returns the limits of the child for an order, and when it collects
// garbage: it has room for twice what is expected until then. It writes below
// its working directory, and reads nothing else.
func (c Config) allow(o Order, unit time.Duration) (l confine.Limits, collect int64) {
	e, margin := o.estimate(unit), c.margin()
	l = confine.Limits{
		Memory:   e.memory * margin,
		FileSize: c.codeBytes(),
		CPU:      int64((e.cpu*time.Duration(margin) + time.Second - 1) / time.Second),
		Write:    []string{"."},
	}
	l.Stack = l.Memory / 4
	return l, l.Memory * 2 / 5
}

// cpuTime is the processor time that l leaves a child.
func cpuTime(l confine.Limits) time.Duration { return time.Duration(l.CPU) * time.Second }
