package hostile

import (
	"slices"

	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
)

// host is a function of the host's and what it is called with.
type host struct {
	from, name      string // a module of the host's, and its function
	params, results []byte
}

func wasiFunc(name string, params ...byte) host {
	return host{wasi, name, params, []byte{w.I32}}
}

// call is code that calls the host's function, which has index 0, and drops
// what it returns.
func (h host) call(args ...int64) (code []byte) {
	for i, a := range args {
		if h.params[i] == w.I64 {
			code = append(code, w.Const64(a)...)
		} else {
			code = append(code, w.Const32(int32(a))...)
		}
	}
	return slices.Concat(code, w.Call(0), slices.Repeat(w.Drop(), len(h.results)))
}

// module is a policy that imports the function. Its own functions are indexed
// from 1.
func (h host) module(funcs ...w.Func) w.Module {
	m := w.Guest(funcs...)
	m.Imports = []w.Import{{Module: h.from, Name: h.name, Params: h.params, Results: h.results}}
	return m
}

// at calls it in on_accept.
func (h host) at(args ...int64) func() []byte { return h.module(accept(h.call(args...))).Bytes }

// vectors are (address, length) pairs in memory at 0.
func vectors(n int, addr, size uint32) w.Data {
	le := func(v uint32) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)} }
	return w.Data{Bytes: slices.Repeat(slices.Concat(le(addr), le(size)), n)}
}

// descriptors goes for the files that are not there.
func descriptors() []Attack {
	i32 := w.I32
	write := wasiFunc("fd_write", i32, i32, i32, i32)
	vector := func(name, what string, want Want, data w.Data, code []byte) Attack {
		return attack("fd-write-"+name, what, want, func() []byte {
			m := write.module(accept(code))
			m.Data = []w.Data{data}
			return m.Bytes()
		})
	}
	one := write.call(1, 0, 1, 512)
	return []Attack{
		attack("fd-write-2-to-the-31-vectors", "fd_write is given 2^31 vectors.", harmless(), write.at(1, 0, 1<<31, 0)),
		attack("fd-write-vectors-outside", "The vectors are at the memory's end.", harmless(), write.at(1, 65532, 4, 0)),
		attack("fd-write-vectors-wrap", "The vectors begin at -8.", harmless(), write.at(1, -8, 4, 0)),
		attack("fd-write-result-outside", "The number of bytes written goes outside the memory.", harmless(), write.at(1, 0, 1, -2)),
		attack("fd-write-to-files", "Bytes are written to descriptors that a host may have open.", harmless(),
			func() []byte {
				var code []byte
				for _, fd := range []int64{0, 3, 4, 10, 1 << 30, -1} {
					code = append(code, write.call(fd, 0, 1, 512)...)
				}
				return write.module(accept(code)).Bytes()
			}),
		vector("text-outside", "A vector is outside the memory.", harmless(), vectors(1, 1<<31, 100), one),
		vector("text-of-4-gib", "A vector is 4 GiB long.", harmless(), vectors(1, 0, most), one),
		vector("overlapping", "Sixty vectors are the same bytes, which are the vectors.", harmless(), vectors(60, 0, 480), write.call(2, 0, 60, 16)),
		vector("amplified", "Each call writes 4 MiB, for the price of one import.", atCall(policy.FaultFuel),
			vectors(64, 0, 65536), forever(write.call(1, 0, 64, 1024))),
		attack("fd-calls", "Every call on descriptors is made with hostile arguments.", harmless(), func() []byte {
			m := w.Guest(accept(w.Const32(-1), w.Call(0), w.Drop(), w.Const32(3), w.Const32(-1), w.Call(1), w.Drop(),
				w.Const32(3), w.Const32(-1), w.Const32(-1), w.Call(2), w.Drop()))
			m.Imports = []w.Import{
				{Module: wasi, Name: "fd_close", Params: []byte{i32}, Results: []byte{i32}},
				{Module: wasi, Name: "fd_prestat_get", Params: []byte{i32, i32}, Results: []byte{i32}},
				{Module: wasi, Name: "fd_prestat_dir_name", Params: []byte{i32, i32, i32}, Results: []byte{i32}},
			}
			return m.Bytes()
		}),
	}
}

// environment goes for time, chance, arguments and the way out.
func environment() []Attack {
	i32, i64 := w.I32, w.I64
	random := wasiFunc("random_get", i32, i32)
	clock := wasiFunc("clock_time_get", i32, i64, i32)
	poll := wasiFunc("poll_oneoff", i32, i32, i32, i32)
	yield := wasiFunc("sched_yield")
	sizes, get := wasiFunc("args_sizes_get", i32, i32), wasiFunc("environ_get", i32, i32)
	exit := host{from: wasi, name: "proc_exit", params: []byte{i32}}
	sleep := func(flags byte) func() []byte {
		sub := make([]byte, 48)
		copy(sub[24:], slices.Repeat([]byte{0xff}, 8)) // 2^64-1 ns
		sub[40] = flags
		m := poll.module(accept(poll.call(0, 256, 1, 512), poll.call(0, 256, 1, 512)))
		m.Data = []w.Data{{Bytes: sub}}
		return m.Bytes
	}
	return []Attack{
		attack("random-outside", "Random bytes go outside the memory.", harmless(), random.at(-1, 100)),
		attack("random-4-gib", "4 GiB of random bytes are wanted.", harmless(), random.at(0, -1)),
		attack("random-over-the-buffer", "Random bytes go over the event.", harmless(), random.at(w.Buffer, 1680)),
		attack("random-storm", "A loop asks for 64 KiB of random bytes for ever.", atCall(policy.FaultFuel),
			random.module(accept(forever(random.call(0, 65536)))).Bytes),
		attack("clock-unknown", "A clock is asked that does not exist.", harmless(), clock.at(99, 1, 512)),
		attack("clock-outside", "The time goes outside the memory.", harmless(), clock.at(0, 1, -4)),
		attack("clock-wait", "A loop waits for the clock to move.", atCall(policy.FaultFuel),
			clock.module(accept(forever(clock.call(1, 1, 512)))).Bytes),
		attack("poll-2-to-the-31", "2^31 subscriptions are polled.", harmless(), poll.at(0, 0, 1<<31, 512)),
		attack("poll-wraps", "The subscriptions' size wraps around.", harmless(), poll.at(0, 0, 89478486, 512)),
		attack("poll-outside", "Events go outside the memory.", harmless(), poll.at(0, -32, 1, 512)),
		attack("poll-overlapping", "Events overwrite the subscriptions that they answer.", harmless(), poll.at(0, 8, 16, 0)),
		attack("poll-sleeps-for-ever", "A guest sleeps for 584 years.", harmless(), sleep(0)),
		attack("poll-sleeps-until-the-end", "A guest sleeps until the end of time.", harmless(), sleep(1)),
		attack("yield-storm", "A loop yields for ever.", atCall(policy.FaultFuel), yield.module(accept(forever(yield.call()))).Bytes),
		attack("arguments-outside", "The number of arguments goes outside the memory.", harmless(), sizes.at(-1, -2)),
		attack("environment-outside", "The environment goes outside the memory.", harmless(), get.at(-1, -1)),
		attack("exit-at-accept", "on_accept ends the process.", atCall(policy.FaultTrap), exit.at(0)),
		attack("exit-at-init", "_initialize ends the process.", atInit(policy.FaultInit),
			exit.module(procedure("_initialize", exit.call(3))).Bytes),
		attack("exit-at-configure", "configure ends the process.", atInit(policy.FaultConfigure), func() []byte {
			in := []byte{i32}
			return exit.module(
				w.Func{Export: "configure_buffer", Params: in, Results: in, Body: w.Const32(4096)},
				w.Func{Export: "configure", Params: in, Results: in, Body: w.Code(exit.call(0), w.Const32(0))}).Bytes()
		}),
		attack("imported-hook", "A function of the host's is exported as on_close.", harmless(), func() []byte {
			m := yield.module(procedure("on_close", w.Call(0), w.Drop()))
			return m.Bytes()
		}),
	}
}
