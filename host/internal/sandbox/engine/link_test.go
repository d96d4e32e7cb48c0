package engine

import (
	"bytes"
	"context"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/wasmtest"
)

// withStart puts a start section between the exports and the code.
func withStart(m wasmtest.Module, fn byte) []byte {
	var out []byte
	wasm := m.Bytes()
	out = append(out, wasm[:8]...)
	if err := eachSection(wasm, func(id byte, content []byte) {
		if id == 10 {
			out = append(out, sectionStart, 1, fn)
		}
		out = append(append(out, id, byte(len(content)&0x7f|0x80), byte(len(content)>>7)), content...)
	}); err != nil {
		panic(err)
	}
	return out
}

// TestStartFunctionRunsOnce, before _initialize.
func TestStartFunctionRunsOnce(t *testing.T) {
	add := func(n int64) []byte {
		return wasmtest.Code(wasmtest.GlobalGet(0), wasmtest.GlobalGet(0), wasmtest.Add64(), wasmtest.Const64(n), wasmtest.Add64(), wasmtest.GlobalSet(0)) // g = 2g + n
	}
	m := wasmtest.Guest(wasmtest.Func{Export: "_initialize", Body: add(3)}, wasmtest.Hook("on_timeout", wasmtest.GlobalGet(0), wasmtest.Const64(1<<32), wasmtest.Or64()), wasmtest.Func{Body: add(5)})
	m.Globals = []int64{100}
	p := load(t, newEngine(t, Config{}), source(withStart(m, 5)))
	if got := answer(t, p, at(0, 0)); got != 2*(200+5)+3 {
		t.Errorf("the global holds %d", got)
	}
}

func TestTrapInStartFunctionIsNamed(t *testing.T) {
	_, err := newEngine(t, Config{}).Load(context.Background(), source(withStart(wasmtest.Guest(wasmtest.Func{Body: wasmtest.Unreachable()}), 4)))
	wantError(t, err, policy.FaultInit, "start function: wasm error: unreachable")
}

// FuzzLink: whatever the bytes are, it says so or keeps every section but the
// start.
func FuzzLink(f *testing.F) {
	f.Add(withStart(wasmtest.Guest(wasmtest.Func{}), 4))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x07\x80"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x08\x01\x00\x07"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		l, err := link(new(gate.Module), wasm)
		if err != nil {
			return
		}
		sections := func(wasm []byte) (ids []byte) {
			_ = eachSection(wasm, func(id byte, _ []byte) {
				if id != sectionStart {
					ids = append(ids, id)
				}
			})
			return ids
		}
		if !bytes.Equal(sections(wasm), sections(l.wasm)) {
			t.Errorf("%x became %x", wasm, l.wasm)
		}
	})
}
