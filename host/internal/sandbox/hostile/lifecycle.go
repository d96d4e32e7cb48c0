package hostile

import (
	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
)

// lifecycle never gets to the first question, if it has its way.
func lifecycle() []Attack {
	fuel := atInit(policy.FaultFuel)
	loops := func(export string) w.Func { return w.Hook(export, w.Forever(), w.Const64(0)) }
	version := func(code ...[]byte) func() []byte {
		return guest(w.Func{Export: "abi_version", Results: []byte{w.I32}, Body: w.Code(code...)})
	}
	return []Attack{
		attack("start-loops", "The start function loops for ever.", fuel, started(w.Forever())),
		attack("start-traps", "The start function traps.", atInit(policy.FaultInit), started(w.Unreachable())),
		attack("start-recurs", "The start function calls itself.", fuel, started(w.Call(4))),
		attack("start-fills", "The start function fills the memory for ever.", fuel,
			started(forever(w.Const32(0), w.Const32(1), w.Const32(65536), misc(11, 0)))),
		attack("initialize-loops", "_initialize loops for ever.", fuel, guest(procedure("_initialize", w.Forever()))),
		attack("initialize-traps", "_initialize traps.", atInit(policy.FaultInit), guest(procedure("_initialize", w.Unreachable()))),
		attack("initialize-grows", "_initialize grows the memory for ever.", fuel,
			guest(procedure("_initialize", forever(w.Grow(1), w.Drop())))),
		attack("initialize-deep", "_initialize calls itself a million deep each time an instance is made, and each question loses one.", bounded(),
			guest(procedure("_initialize", w.Const32(1_000_000), w.Call(5)), deep(5), accept(w.Unreachable()), timeout(w.Unreachable()))),
		attack("version-loops", "abi_version loops for ever.", fuel, version(w.Forever(), w.Const32(1))),
		attack("version-0", "abi_version returns 0.", atInit(policy.FaultRefused), version(w.Const32(0))),
		attack("abi-version-2", "abi_version returns a version that does not exist yet.", atInit(policy.FaultRefused), version(w.Const32(2))),
		attack("version-minus-1", "abi_version returns -1.", atInit(policy.FaultRefused), version(w.Const32(-1))),
		attack("buffer-loops", "event_buffer loops for ever.", fuel, guest(loops("event_buffer"))),
		attack("region-loops", "state_region loops for ever.", fuel, guest(loops("state_region"))),
		attack("format-loops", "state_format loops for ever.", fuel,
			guest(w.Returns("state_region", 64<<32|4096), loops("state_format"))),
	}
}
