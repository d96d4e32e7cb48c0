//go:build amd64 || arm64

package confine

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What becomes of a system call.
const (
	allow  = unix.SECCOMP_RET_ALLOW
	refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	deny   = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS) // as if there was no such call
	kill   = unix.SECCOMP_RET_KILL_PROCESS
)

// Where the kernel puts what a filter looks at (struct seccomp_data). The
// processors that have a list of calls are little-endian.
const (
	callOffset     = 0
	archOffset     = 4
	argumentOffset = 16
)

// callRule is a rule for system calls, whatever their arguments.
type callRule struct {
	calls  []uint32
	result uint32
}

// argumentRule allows a call if all conditions of one of the alternatives hold, and
// refuses it otherwise.
type argumentRule struct {
	call         uint32
	alternatives [][]condition
}

// condition compares 32 bits of an argument.
type condition struct {
	offset uint32
	test   bpf.JumpTest
	value  uint32
}

// equals compares all 64 bits: an argument that the kernel takes for a number
// of 32 bits is refused if it has others, which no caller sets.
func equals(argument uint32, value uint64) []condition {
	offset := argumentOffset + 8*argument
	return []condition{{offset, bpf.JumpEqual, uint32(value)}, {offset + 4, bpf.JumpEqual, uint32(value >> 32)}}
}

func anyBit(argument, bits uint32) []condition {
	return []condition{{argumentOffset + 8*argument, bpf.JumpBitsSet, bits}}
}

func noBit(argument, bits uint32) []condition {
	return []condition{{argumentOffset + 8*argument, bpf.JumpBitsNotSet, bits}}
}

// program is a filter for the calls of an architecture. Calls that no rule is
// about are refused. The call rules come first: the kernel remembers their
// results by call (since Linux 5.11).
func program(arch uint32, rules []callRule, checks []argumentRule) []bpf.Instruction {
	list := []bpf.Instruction{
		bpf.LoadAbsolute{Off: archOffset, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: refuse}, // numbers of another table
		bpf.LoadAbsolute{Off: callOffset, Size: 4},
	}
	for _, r := range rules {
		list = append(list, r.program()...)
	}
	for _, c := range checks {
		list = append(list, c.program()...)
	}
	return append(list, bpf.RetConstant{Val: refuse})
}

// program wants the call's number loaded, and leaves it.
func (r callRule) program() (list []bpf.Instruction) {
	for i, call := range r.calls {
		list = append(list, bpf.JumpIf{Cond: bpf.JumpEqual, Val: call, SkipTrue: uint8(len(r.calls) - i)})
	}
	return append(list, bpf.Jump{Skip: 1}, bpf.RetConstant{Val: r.result})
}

// program wants the call's number loaded, and leaves it unless it is its own:
// then it returns, since it has loaded arguments.
func (c argumentRule) program() []bpf.Instruction {
	var body []bpf.Instruction
	for _, conditions := range c.alternatives {
		for i, o := range conditions {
			next := 2*(len(conditions)-i) - 1 // instructions to the next alternative
			body = append(body, bpf.LoadAbsolute{Off: o.offset, Size: 4},
				bpf.JumpIf{Cond: o.test, Val: o.value, SkipFalse: uint8(next)})
		}
		body = append(body, bpf.RetConstant{Val: allow})
	}
	body = append(body, bpf.RetConstant{Val: refuse})
	return append([]bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: c.call, SkipTrue: uint8(len(body))}}, body...)
}
