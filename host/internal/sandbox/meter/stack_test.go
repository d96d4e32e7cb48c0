package meter

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"idlehost/host/internal/sandbox/wasmtest"
)

// recursions are functions that call themselves and keep much meanwhile.
func recursions() map[string]wasmtest.Module {
	all := map[string]wasmtest.Module{
		"loads": largeFrames(1000), "more loads": largeFrames(8000),
		"nothing":     attack(wasmtest.Call(0)),
		"memory size": keeping(2000, []byte{0x3f, 0}, 1),
	}
	for _, n := range []int{1, 2, 3, 8, 16, 64, 127, 128} {
		all[fmt.Sprintf("%d parameters", n)] = passing(n, 0)
		all[fmt.Sprintf("%d parameters and 16 results", n)] = passing(n, 16)
	}
	for _, n := range []int{1, 2, 3, 5, 8, 12, 16} {
		all[fmt.Sprintf("%d results", n)] = passing(0, n)
		for _, calls := range []int{1, 100, 1500} {
			all[fmt.Sprintf("%d calls with %d results", calls, n)] = collecting(calls, n)
		}
		for _, loops := range []int{1, 50, 1000} {
			all[fmt.Sprintf("%d loops around %d operands", loops, n)] = carrying(loops, n)
		}
	}
	return all
}

// passing has function 1 pass all its parameters to itself.
func passing(params, results int) wasmtest.Module {
	var pass []byte
	for i := range params {
		pass = append(pass, wasmtest.LocalGet(uint32(i))...)
	}
	m := attack(wasmtest.Code(bytes.Repeat(wasmtest.Const64(1), params), wasmtest.Call(1), bytes.Repeat(wasmtest.Drop(), results)))
	m.Funcs = append(m.Funcs, wasmtest.Func{
		Params: bytes.Repeat([]byte{wasmtest.I64}, params), Results: bytes.Repeat([]byte{wasmtest.I64}, results),
		Body: wasmtest.Code(pass, wasmtest.Call(1)),
	})
	return m
}

// keeping pushes n times what code does, calls itself, and drops all.
func keeping(n int, code []byte, each int) wasmtest.Module {
	return attack(wasmtest.Code(bytes.Repeat(code, n), wasmtest.Call(0), bytes.Repeat(wasmtest.Drop(), n*each)))
}

// collecting keeps the results of calls, and joins them in the end.
func collecting(calls, results int) wasmtest.Module {
	join := bytes.Repeat(wasmtest.Or64(), calls*results-1)
	m := attack(wasmtest.Code(bytes.Repeat(wasmtest.Call(1), calls), wasmtest.Call(0), join, wasmtest.Drop()))
	m.Funcs = append(m.Funcs, wasmtest.Func{
		Results: bytes.Repeat([]byte{wasmtest.I64}, results), Body: bytes.Repeat(wasmtest.Const64(3), results),
	})
	return m
}

// carrying nests loops that operands go through, and calls itself inside.
func carrying(loops, operands int) wasmtest.Module {
	types := bytes.Repeat([]byte{wasmtest.I64}, operands)
	turn := wasmtest.Code([]byte{3}, binary.AppendUvarint(nil, 1)) // the type of function 1
	var again []byte                                               // changes every operand, and may repeat
	for range loops {
		again = append(again, wasmtest.Code(wasmtest.Call(1), wasmtest.LocalGet(0), []byte{0x0d, 0, 0x0b})...)
	}
	m := attack(wasmtest.Code(
		bytes.Repeat(wasmtest.Const64(1), operands), bytes.Repeat(turn, loops), wasmtest.Call(1), wasmtest.Call(0), again,
		bytes.Repeat(wasmtest.Drop(), operands)))
	m.Funcs[0].Locals = 1
	var pass []byte
	for i := range operands {
		pass = append(pass, wasmtest.Code(wasmtest.LocalGet(uint32(i)), wasmtest.Const64(1), wasmtest.Add64())...)
	}
	m.Funcs = append(m.Funcs, wasmtest.Func{Params: types, Results: types, Body: pass})
	return m
}

// TestStackIsBounded: with all the fuel of an initialisation, no shape of
// recursion makes wazero's stack larger than 2 MiB. What is allocated is
// twice that, since it doubles.
func TestStackIsBounded(t *testing.T) {
	const fuel, most = 5_000_000, 4 << 20
	if raced {
		t.Skip("the race detector makes the compiler ten times slower")
	}
	for name, m := range recursions() {
		t.Run(name, func(t *testing.T) {
			guest := start(t, metered(t, m.Bytes(), fuel))
			left := guest.ExportedGlobal(Global).(api.MutableGlobal)
			run := guest.ExportedFunction("run")
			left.Set(fuel)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := run.Call(context.Background())
			runtime.ReadMemStats(&after)
			took := after.TotalAlloc - before.TotalAlloc
			t.Logf("takes %d KiB, %v", took>>10, int64(guest.ExportedGlobal(StackGlobal).Get()))
			if err == nil || !strings.Contains(err.Error(), "unreachable") || int64(left.Get()) >= 0 {
				t.Errorf("ends with %v, %d fuel left", err, int64(left.Get()))
			}
			if took > most {
				t.Errorf("allocates %d KiB", took>>10)
			}
		})
	}
}
