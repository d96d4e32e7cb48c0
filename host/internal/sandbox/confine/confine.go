// Package confine starts child processes of this same program, which give up what
// they do not need: memory, files, the network, other processes. The host starts a
// child with Start; the child calls Passed and Enter before it reads anything
// hostile.
package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Limits are the limits that a child imposes on itself with Enter. Start passes
// them in the environment.
type Limits struct {
	// Memory bounds private writable memory, in bytes beyond what the process
	// has when it enters. It stops a runaway allocator, but not an attacker's own
	// code, which can make memory read-only. 0: no bound.
	Memory int64 `json:",omitempty"`
	// AddressSpace bounds all mappings, in bytes beyond those at the entry. Go
	// reserves much more than it uses. 0: no bound.
	AddressSpace int64 `json:",omitempty"`
	// Stack bounds the stack of a goroutine, in bytes. 0: as Go has it.
	Stack int64 `json:",omitempty"`
	// CPU bounds processor time, in seconds. The kernel kills the process within
	// about a second after it. 0: no bound.
	CPU int64 `json:",omitempty"`
	// FileSize bounds a file that is written with write(2), in bytes, that of
	// shared memory included. Pipes, sockets and mappings have no size.
	FileSize int64 `json:",omitempty"`
	// Descriptors is how many may be open at once. 0: 64.
	Descriptors int `json:",omitempty"`
	// Nice is the priority, at most; 0 leaves it.
	Nice int `json:",omitempty"`
	// Yields lets other processes that wake preempt the child, where the kernel can;
	// its share of the processors stays.
	Yields bool `json:",omitempty"`
	// Read and Write are the directories below which the child may read files,
	// or read and write them; there are no others. Without Write, it opens
	// nothing for writing.
	Read  []string `json:",omitempty"`
	Write []string `json:",omitempty"`
	// Inherited is how many descriptors from 3 on the child keeps; the others
	// that came through exec are closed. Start sets it.
	Inherited int `json:",omitempty"`

	parent int // process that started this one; 0: not known
}

func (l Limits) descriptors() int {
	if l.Descriptors == 0 {
		return 64
	}
	return l.Descriptors
}

// ErrNotStarted is returned by Passed in a process that Start did not start.
var ErrNotStarted = errors.New("confine: this is an entry that the host uses for its own children")

// childLimits is the content of the environment variable.
type childLimits struct {
	Parent int
	Limits Limits
}

// Passed returns the limits in the environment variable that Spec.Marker names.
func Passed(marker string) (Limits, error) {
	value, ok := os.LookupEnv(marker)
	if !ok {
		return Limits{}, ErrNotStarted
	}
	return parse(value)
}

func parse(value string) (Limits, error) {
	var p childLimits
	d := json.NewDecoder(strings.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Limits{}, fmt.Errorf("confine: limits %q: %w", value, err)
	}
	l := p.Limits
	if _, err := d.Token(); err != io.EOF || p.Parent <= 0 || l.least() < 0 {
		return Limits{}, fmt.Errorf("confine: limits %q are out of range", value)
	}
	l.parent = p.Parent
	return l, nil
}

// least returns the least number among the limits.
func (l Limits) least() int64 {
	return min(l.Memory, l.AddressSpace, l.Stack, l.CPU, l.FileSize, int64(l.Descriptors), int64(l.Nice), int64(l.Inherited))
}

// pass is the inverse of parse.
func (l Limits) pass(parent int) string {
	text, err := json.Marshal(childLimits{Parent: parent, Limits: l})
	if err != nil {
		panic(err) // numbers and strings
	}
	return string(text)
}
