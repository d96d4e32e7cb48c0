package hostile

import (
	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// buffers publishes event buffers that the host must not write to.
func buffers() []Attack {
	bad, moved := atInit(policy.FaultRefused), atCall(policy.FaultOutput)
	at := func(name, what string, want Want, size, addr int64) Attack {
		return attack("buffer-"+name, what, want, guest(w.Returns("event_buffer", size<<32|addr)))
	}
	// by adds to the answer of event_buffer at every call of it, or of a hook.
	each := func(name, what string, want Want, by int64, export string) Attack {
		return attack("buffer-"+name, what, want, func() []byte {
			bump := w.Code(w.GlobalGet(0), w.Const64(by), w.Add64(), w.GlobalSet(0))
			hook := w.Hook(export, bump, w.Const64(w.Extend60s))
			buffer := w.Hook("event_buffer", w.GlobalGet(0))
			if export == "event_buffer" {
				buffer = w.Hook(export, bump, w.GlobalGet(0))
				hook = accept()
			}
			m := w.Guest(buffer, hook)
			m.Globals = []int64{512<<32 | w.Buffer}
			return m.Bytes()
		})
	}
	return []Attack{
		at("outside", "The buffer begins at the memory's end.", bad, 512, 65536),
		at("over-the-end", "The buffer reaches over the memory's end.", bad, 512, 65536-256),
		at("wraps", "Address and size of the buffer sum to 2^32.", bad, 512, 1<<32-512),
		at("of-4-gib", "The buffer is 4 GiB long.", bad, 1<<31-1, 0),
		at("unaligned", "The buffer is at an odd address.", bad, 512, 1025),
		at("too-small", "The buffer has 63 bytes.", bad, 63, w.Buffer),
		at("of-nothing", "The buffer is 0.", bad, 0, 0),
		at("at-address-0", "The buffer is at address 0.", harmless(), 1680, 0),
		at("of-the-whole-memory", "The buffer is the whole memory.", harmless(), 65536, 0),
		at("at-the-end", "The buffer ends with the memory.", harmless(), 512, 65536-512),
		each("moves-at-init", "The buffer moves each time it is asked for.", bad, 8, "event_buffer"),
		each("moves-at-a-call", "The buffer moves with every question.", moved, 8, "on_accept"),
		each("grows-at-a-call", "The buffer grows with every question.", moved, 8<<32, "on_accept"),
		each("leaves-at-a-call", "The buffer leaves the memory with a question.", moved, 65536, "on_accept"),
		attack("buffer-overlaps-data", "The buffer is where the guest keeps its data.", harmless(), func() []byte {
			m := w.Guest()
			m.Data = []w.Data{{Offset: w.Buffer, Bytes: make([]byte, 4096)}}
			return m.Bytes()
		}),
		attack("buffer-header-overwritten", "The guest writes 65535 over the event's size and version.", harmless(),
			guest(accept(w.Store32(w.Buffer, w.Const32(-1))), timeout(w.Store32(w.Buffer, w.Const32(-1))))),
		attack("buffer-overwritten", "The guest fills the whole buffer with ones.", harmless(),
			guest(accept(w.Const32(w.Buffer), w.Const32(255), w.Const32(1680), misc(11, 0)))),
		attack("buffer-in-grown-memory", "The buffer is in memory that init grows.", harmless(),
			guest(procedure("_initialize", w.Grow(1), w.Drop()), w.Returns("event_buffer", 512<<32|65536))),
	}
}

// regions publishes learned state that the host must not copy.
func regions() []Attack {
	bad, moved := atInit(policy.FaultRefused), atCall(policy.FaultOutput)
	at := func(name, what string, want Want, size, addr int64) Attack {
		return attack("state-"+name, what, want, guest(w.Returns("state_region", size<<32|addr)))
	}
	each := func(name, what string, by int64) Attack {
		return attack("state-"+name, what, moved, func() []byte {
			m := w.Guest(w.Hook("state_region", w.GlobalGet(0), w.GlobalGet(0), w.Const64(by), w.Add64(), w.GlobalSet(0)))
			m.Globals = []int64{64<<32 | 4096}
			return m.Bytes()
		})
	}
	return []Attack{
		at("too-large", "The learned state has 64 KiB and a byte.", bad, 65537, 0),
		at("of-4-gib", "The learned state has 2 GiB.", bad, 1<<31-1, 0),
		at("outside", "The learned state is outside the memory.", bad, 64, 65536),
		at("wraps", "Address and size of the learned state sum to 2^32.", bad, 64, 1<<32-64),
		at("unaligned", "The learned state is at an odd address.", bad, 64, 4097),
		at("of-nothing", "The learned state has no bytes.", harmless(), 0, 4096),
		at("at-the-cap", "The learned state is all of the memory.", harmless(), 65536, 0),
		at("over-the-buffer", "The learned state lies over the event buffer.", harmless(), 1680, w.Buffer),
		each("moves", "The learned state moves each time it is asked for.", 8),
		each("grows", "The learned state grows each time it is asked for.", 8<<32),
		each("leaves", "The learned state leaves the memory.", 65536),
		attack("state-format-changes", "The format changes each time it is asked for.", harmless(), func() []byte {
			m := w.Guest(w.Returns("state_region", 64<<32|4096),
				w.Hook("state_format", w.GlobalGet(0), w.GlobalGet(0), w.Const64(1), w.Add64(), w.GlobalSet(0)))
			m.Globals = []int64{1}
			return m.Bytes()
		}),
		attack("state-of-a-connection-of-ones", "A connection's state is filled with ones.", harmless(),
			guest(accept(w.Store64(w.Buffer+abi.EventStateOffset, w.Const64(-1)), w.Store64(w.Buffer+abi.EventStateOffset+24, w.Const64(-1))))),
		attack("state-poisons", "Learned state makes every later instance trap.", atCall(policy.FaultTrap),
			// (if (i32.load (i32.const 4096)) (then unreachable)) (i32.store (i32.const 4096) (i32.const 1))
			guest(w.Returns("state_region", 64<<32|4096),
				timeout(w.Load32(4096), w.If(w.Unreachable()), w.Store32(4096, w.Const32(1))))),
	}
}

// parameters is given parameters and mistreats them.
func parameters() []Attack {
	given := map[string]string{"idle": "60s", "grace": "10"}
	f := func(export string, code ...[]byte) w.Func {
		return w.Func{Export: export, Params: []byte{w.I32}, Results: []byte{w.I32}, Body: w.Code(code...)}
	}
	take := f("configure", w.Const32(0))
	at := func(name, what string, want Want, addr int32) Attack {
		return attack("configure-"+name, what, want, guest(f("configure_buffer", w.Const32(addr)), take)).with(given)
	}
	refusal, fuel := atInit(policy.FaultConfigure), atInit(policy.FaultFuel)
	room := f("configure_buffer", w.Const32(8192))
	return []Attack{
		at("outside", "Parameters are wanted past the memory's end.", refusal, 65536),
		at("over-the-end", "Parameters are wanted over the memory's end.", refusal, 65530),
		at("negative", "Parameters are wanted at -1.", refusal, -1),
		at("no-room", "There is no room for parameters.", refusal, 0),
		at("over-the-buffer", "Parameters are wanted in the event buffer.", harmless(), w.Buffer),
		attack("configure-refuses", "configure refuses with a code, and says nothing.", refusal,
			guest(room, f("configure", w.Const32(-1)))).with(given),
		attack("configure-loops", "configure loops for ever.", fuel, guest(room, f("configure", w.Forever(), w.Const32(0)))).with(given),
		attack("configure-buffer-loops", "configure_buffer loops for ever.", fuel,
			guest(f("configure_buffer", w.Forever(), w.Const32(0)), take)).with(given),
		attack("configure-traps", "configure traps.", atInit(policy.FaultConfigure), guest(room, f("configure", w.Unreachable()))).with(given),
		attack("configure-moves-buffer", "configure moves the event buffer.", atInit(policy.FaultRefused), func() []byte {
			m := w.Guest(w.Hook("event_buffer", w.GlobalGet(0)), room,
				f("configure", w.Const64(512<<32|2048), w.GlobalSet(0), w.Const32(0)))
			m.Globals = []int64{512<<32 | w.Buffer}
			return m.Bytes()
		}).with(given),
		attack("configure-grows", "configure_buffer grows the memory by a page, where parameters then go.", harmless(),
			guest(f("configure_buffer", w.Grow(1), w.Drop(), w.Const32(65536)), take)).with(given),
		attack("configure-missing", "Parameters are given to a policy that takes none.", refusal, guest()).with(given),
	}
}
