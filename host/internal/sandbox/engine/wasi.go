package engine

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// The part of WASI preview 1 that a guest built by Go imports, and no more:
// there are no files, arguments, variables or sockets behind it, time and
// randomness come from the event, and sleeping takes no time.

// Error numbers of WASI preview 1.
const (
	wasiOK    = 0
	wasiBadf  = 8
	wasiFault = 21
	wasiInval = 28
)

// Bounds on what one call makes the host do.
const (
	maxVectors   = 64       // of fd_write
	maxWrite     = 8 << 10  // bytes that one fd_write takes
	maxRandom    = 64 << 10 // bytes of random_get
	maxSubscribe = 16       // of poll_oneoff
)

// wasiFuncs returns the functions by name.
func wasiFuncs() map[string]hostFunc {
	type call = func(w *callContext, mem api.Memory, stack []uint64) uint64
	f := func(c call, params ...api.ValueType) hostFunc {
		return hostFunc{params: params, results: []api.ValueType{i32}, call: func(w *callContext, mem api.Memory, stack []uint64) {
			stack[0] = c(w, mem, stack)
		}}
	}
	ok := func(*callContext, api.Memory, []uint64) uint64 { return wasiOK }
	none := func(*callContext, api.Memory, []uint64) uint64 { return wasiBadf }
	return map[string]hostFunc{
		"sched_yield":         f(ok),
		"proc_exit":           {params: []api.ValueType{i32}, call: procExit},
		"args_get":            f(ok, i32, i32),
		"args_sizes_get":      f(twoZeros, i32, i32),
		"environ_get":         f(ok, i32, i32),
		"environ_sizes_get":   f(twoZeros, i32, i32),
		"clock_time_get":      f(clockTimeGet, i32, i64, i32),
		"random_get":          f(randomGet, i32, i32),
		"poll_oneoff":         f(pollOneoff, i32, i32, i32, i32),
		"fd_write":            f(fdWrite, i32, i32, i32, i32),
		"fd_close":            f(none, i32),
		"fd_fdstat_get":       f(none, i32, i32),
		"fd_fdstat_set_flags": f(none, i32, i32),
		"fd_prestat_get":      f(none, i32, i32),
		"fd_prestat_dir_name": f(none, i32, i32, i32),
	}
}

func procExit(_ *callContext, _ api.Memory, stack []uint64) {
	panic(fmt.Errorf("guest exited with code %d", uint32(stack[0])))
}

// twoZeros answers args_sizes_get and environ_sizes_get: none, of no bytes.
func twoZeros(_ *callContext, mem api.Memory, stack []uint64) uint64 {
	if !mem.WriteUint32Le(uint32(stack[0]), 0) || !mem.WriteUint32Le(uint32(stack[1]), 0) {
		return wasiFault
	}
	return wasiOK
}

// clockTimeGet knows the realtime clock, which is the event's now, and the
// monotonic one, which also counts what was slept.
func clockTimeGet(w *callContext, mem api.Memory, stack []uint64) uint64 {
	var ns uint64
	switch uint32(stack[0]) {
	case 0:
		ns = w.nowMs * 1e6
	case 1:
		ns = w.monoNs
	default:
		return wasiInval
	}
	if !mem.WriteUint64Le(uint32(stack[2]), ns) {
		return wasiFault
	}
	return wasiOK
}

func randomGet(w *callContext, mem api.Memory, stack []uint64) uint64 {
	n := uint32(stack[1])
	if n > maxRandom {
		return wasiInval
	}
	w.fuel.charge(costRandom * int64(n))
	dst, ok := mem.Read(uint32(stack[0]), n)
	if !ok {
		return wasiFault
	}
	w.fillRandom(dst)
	return wasiOK
}

// fdWrite takes standard output and error into the log.
func fdWrite(w *callContext, mem api.Memory, stack []uint64) uint64 {
	fd, vectors, n, written := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if fd != 1 && fd != 2 {
		return wasiBadf
	}
	if n > maxVectors {
		return wasiInval
	}
	var total uint32
	for i := range n {
		addr, ok := mem.ReadUint32Le(vectors + 8*i)
		size, ok2 := mem.ReadUint32Le(vectors + 8*i + 4)
		if !ok || !ok2 {
			return wasiFault
		}
		// A short write is a right answer to a long one.
		text, ok := mem.Read(addr, min(size, maxWrite-total))
		if !ok {
			return wasiFault
		}
		w.fuel.charge(costVector + costWriteByte*int64(len(text)))
		w.log.write(w.nowMs, int(fd-1), text)
		total += uint32(len(text))
		if len(text) < int(size) {
			break
		}
	}
	if !mem.WriteUint32Le(written, total) {
		return wasiFault
	}
	return wasiOK
}

// Layout of poll_oneoff's records.
const (
	subscriptionBytes = 48
	pollEventBytes    = 32
)

// pollOneoff returns at once with every subscription ready: a sleep has then
// taken its time on the monotonic clock, a file descriptor does not exist.
func pollOneoff(w *callContext, mem api.Memory, stack []uint64) uint64 {
	in, out, n, ready := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if n == 0 || n > maxSubscribe {
		return wasiInval
	}
	w.fuel.charge(costPoll * int64(n))
	subs, ok := mem.Read(in, n*subscriptionBytes)
	events, ok2 := mem.Read(out, n*pollEventBytes)
	if !ok || !ok2 || !mem.WriteUint32Le(ready, n) {
		return wasiFault
	}
	for i := range n {
		w.poll(events[i*pollEventBytes:][:pollEventBytes], subs[i*subscriptionBytes:][:subscriptionBytes])
	}
	return wasiOK
}
