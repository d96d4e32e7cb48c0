package hostile

import (
	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
	"idlehost/sdk/abi"
)

// verdicts answers with nonsense.
func verdicts() []Attack {
	bad := atCall(policy.FaultOutput)
	answer := func(name, what string, want Want, v int64) Attack {
		return attack("verdict-"+name, what, want, guest(w.Returns("on_accept", v)))
	}
	return []Attack{
		answer("action-3", "A verdict has the first action that does not exist.", bad, 3<<32),
		answer("action-255", "A verdict has action 255.", bad, 255<<32),
		answer("flag-unknown", "A verdict has a flag that does not exist.", bad, 1<<32|0x80<<40),
		answer("bit-63", "A verdict is negative.", bad, -1<<63),
		answer("all-ones", "A verdict is -1.", bad, -1),
		answer("nan", "A verdict is the bits of a float that is no number, of the negative sort.", bad, -0x0008_0000_0000_0000),
		answer("nan-of-ones", "A verdict is the bits of a float that is no number, all of them but the sign.", bad, 1<<63-1),
		answer("quiet-nan", "A verdict is the bits of a float that is no number, and spells: default, reason 32760.", harmless(), 0x7ff8_0000_0000_0000),
		answer("one", "A verdict is the bits of 1.0, and spells: default, reason 16368.", harmless(), 0x3ff0_0000_0000_0000),
		answer("longest", "A verdict extends by 2^32-1 ms.", harmless(), 1<<32|most),
		answer("shortest", "A verdict extends by nothing, to be asked for ever.", harmless(), 1<<32),
		answer("close-at-once", "A verdict refuses every connection.", harmless(), 2<<32),
		answer("default-with-deadline", "A verdict leaves it to the host, with a deadline.", harmless(), most),
		attack("verdict-random", "A verdict is the event's random number.", Want{Outcome: AtCall},
			guest(w.Hook("on_accept", w.Load64(w.Buffer+abi.EventRandomOffset), w.Const64(-1<<63), w.Or64()))),
		attack("verdict-leases-without-room", "A verdict edits leases that the buffer has no room for.", bad,
			guest(w.Returns("event_buffer", 64<<32|w.Buffer), w.Returns("on_accept", 2<<40))),
		attack("verdict-leases-extreme", "A verdict sets every lease to 2^32-1.", harmless(),
			guest(w.Hook("on_accept", leases(), w.Const64(2<<40)))),
	}
}

// leases writes 2^32-1 over all leases.
func leases() (code []byte) {
	for i := range uint32(abi.Phases / 2) {
		code = append(code, w.Store64(w.Buffer+abi.EventLeasesOffset+8*i, w.Const64(-1))...)
	}
	return code
}
