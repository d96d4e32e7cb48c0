package gate_test

import (
	"slices"
	"testing"

	"idlehost/host/internal/sandbox/gate"
	"idlehost/host/internal/sandbox/wasmtest"
)

func TestInventory(t *testing.T) {
	m := wasmtest.Guest()
	m.Imports = []wasmtest.Import{
		{Module: "b", Name: "second", Params: []byte{wasmtest.I64}},
		{Module: "a", Name: "first", Results: []byte{wasmtest.I32}},
	}
	checked, err := gate.Check(m.Bytes(), gate.Limits{Depth: 7}, gate.Contract{AnyImport: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range checked.Imports() {
		got = append(got, i.Module+"."+i.Name+" "+i.Type.String())
	}
	if want := []string{"b.second (i64) -> ()", "a.first () -> (i32)"}; !slices.Equal(got, want) {
		t.Errorf("imports %q, want %q", got, want)
	}
	got = nil
	for _, e := range checked.Exports() {
		text := e.Kind + " " + e.Name
		if e.Kind == "function" {
			text += " " + e.Type.String()
		}
		got = append(got, text)
	}
	slices.Sort(got)
	want := []string{
		"function abi_version () -> (i32)", "function event_buffer () -> (i64)",
		"function on_accept () -> (i64)", "function on_timeout () -> (i64)", "memory memory",
	}
	if !slices.Equal(got, want) {
		t.Errorf("exports %q, want %q", got, want)
	}
	if l := checked.Limits(); l.Depth != 7 || l.Effort != 96<<20 {
		t.Errorf("limits are %+v, want a depth of 7 and the default effort", l)
	}
}
