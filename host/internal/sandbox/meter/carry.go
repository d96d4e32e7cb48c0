package meter

import "sort"

// inRegisters is how many values wazero carries from block to block without
// touching memory.
const inRegisters = 8

// carried returns what it costs to carry n values to where branches meet, or to
// load them anew after a call. wazero gives every value a slot of its own in
// the frame, so that carrying one beyond the registers copies it through a
// register from slot to slot, perhaps twice.
func carried(n int) int64 { return int64(max(0, n-inRegisters)) }

// changes counts the locals that a block assigns. Where it ends, and where a
// loop begins, only those have more than one value to be told apart: wazero's
// SSA has a block parameter for none that all ways agree on.
type changes struct {
	since   int32 // when the block began
	changed int   // locals whose last assignment is in the block and in none inside
}

// variables follows what a function assigns and reads.
type variables struct {
	clock  int32
	last   []int32 // when a local was assigned; 0: never
	global []bool
	used   int // globals that the function reads
}

func (v *variables) begin(locals, globals int) {
	v.clock, v.used = 1, 0
	if cap(v.last) < locals {
		v.last = make([]int32, locals)
	}
	if cap(v.global) < globals {
		v.global = make([]bool, globals)
	}
	v.last, v.global = v.last[:locals], v.global[:globals]
	clear(v.last)
	clear(v.global)
}

// tick returns a time after all before.
func (v *variables) tick() int32 {
	v.clock++
	return v.clock
}

// assign counts a local to the innermost block alone: those around it add
// theirs when it ends.
func (v *variables) assign(frames []scope, local uint32) {
	top := len(frames) - 1
	at := v.last[local]
	if at < frames[top].since || at == 0 {
		frames[top].changed++
		if at > 0 {
			owner := sort.Search(len(frames), func(i int) bool { return frames[i].since > at }) - 1
			frames[owner].changed--
		}
	}
	v.last[local] = v.clock
}

// read records that a global is read.
func (v *variables) read(global uint32) {
	if !v.global[global] {
		v.global[global] = true
		v.used++
	}
}
