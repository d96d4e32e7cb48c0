package compile

import (
	"errors"
	"fmt"
	"time"
)

// limits are what a child sets for itself before it reads anything. They are
// passed in the environment, which also marks the process as a child.
type limits struct {
	data  int64 // bytes of private memory beyond those at the start
	file  int64 // bytes of a file that is written
	cpu   int64 // seconds
	stack int64 // bytes of a goroutine's stack
	nice  int64 // priority, at most
}

// marker is the variable of the environment that makes a process a child.
const marker = "IDLEHOST_COMPILE_APART"

func (l limits) String() string {
	return fmt.Sprintf("%d,%d,%d,%d,%d", l.data, l.file, l.cpu, l.stack, l.nice)
}

var errNoChild = errors.New("compiling apart is something that the host asks of itself")

func parseLimits(s string) (limits, error) {
	var l limits
	if s == "" {
		return l, errNoChild
	}
	_, err := fmt.Sscanf(s, "%d,%d,%d,%d,%d", &l.data, &l.file, &l.cpu, &l.stack, &l.nice)
	if err != nil || l.String() != s || l.data <= 0 || l.file <= 0 || l.cpu <= 0 || l.stack <= 0 || l.nice < 0 {
		return limits{}, fmt.Errorf("limits %q in the environment make no sense", s)
	}
	return l, nil
}

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

// expectation is what compiling an order takes, if all is as it was measured.
type expectation struct {
	cpu    time.Duration
	memory int64 // bytes, beyond those at the start
}

// expect says what an order takes where a unit of effort takes so long.
func (o Order) expect(unit time.Duration) expectation {
	effort := int64(min(o.Effort, mostEffort))
	return expectation{
		cpu:    startTime + time.Duration(effort)*unit,
		memory: startMemory + effort*unitMemory,
	}
}

// allow returns the limits of the child for an order, and when it collects
// garbage: it has room for twice what is expected until then.
func (c Config) allow(o Order, unit time.Duration) (l limits, collect int64) {
	e, margin := o.expect(unit), c.margin()
	l = limits{
		data: e.memory * margin,
		file: c.codeBytes(),
		cpu:  int64((e.cpu*time.Duration(margin) + time.Second - 1) / time.Second),
	}
	l.stack = l.data / 4
	return l, l.data * 2 / 5
}

func (l limits) cpuTime() time.Duration { return time.Duration(l.cpu) * time.Second }
