package forge

import (
	"errors"
	"fmt"
)

// limits are what a child sets for itself before it reads anything. They are
// passed in the environment, which also marks the process as a child.
type limits struct {
	data  int64 // bytes of private memory beyond those at the start
	file  int64 // bytes of a file that is written
	cpu   int64 // seconds
	stack int64 // bytes of a goroutine's stack
}

// marker is the variable of the environment that makes a process a child.
const marker = "IDLEHOST_COMPILE_APART"

func (l limits) String() string {
	return fmt.Sprintf("%d,%d,%d,%d", l.data, l.file, l.cpu, l.stack)
}

var errNoChild = errors.New("compiling apart is something that the host asks of itself")

func parseLimits(s string) (limits, error) {
	var l limits
	if s == "" {
		return l, errNoChild
	}
	_, err := fmt.Sscanf(s, "%d,%d,%d,%d", &l.data, &l.file, &l.cpu, &l.stack)
	if err != nil || l.String() != s || l.data <= 0 || l.file <= 0 || l.cpu <= 0 || l.stack <= 0 {
		return limits{}, fmt.Errorf("limits %q in the environment make no sense", s)
	}
	return l, nil
}
