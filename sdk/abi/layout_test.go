package abi_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/BurntSushi/toml"

	"idlehost/sdk/abi"
)

// schema is as much of schema.toml as the layout needs, read and laid out
// without the generator.
type schema struct {
	Version    int
	EventSize  int `toml:"event_size"`
	Bins       int
	ClientGaps int     `toml:"client_gaps"`
	StateSize  int     `toml:"state_size"`
	Event      []field `toml:"field"`
	Gaps       []field
}

type field struct {
	Name, Type string
	Count      any
}

func readSchema(t *testing.T) schema {
	t.Helper()
	var s schema
	if _, err := toml.DecodeFile("schema.toml", &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStructsAreLaidOutAsTheSchemaSays: name, type, offset and size of every
// field, and no padding.
func TestStructsAreLaidOutAsTheSchemaSays(t *testing.T) {
	s := readSchema(t)
	counts := map[string]int{"bins": s.Bins, "client_gaps": s.ClientGaps, "state_size": s.StateSize}
	for _, c := range []struct {
		fields []field
		typ    reflect.Type
		size   uintptr
	}{
		{s.Event, reflect.TypeFor[abi.Event](), abi.EventUsed},
		{s.Gaps, reflect.TypeFor[abi.Gaps](), abi.GapsSize},
	} {
		if c.typ.NumField() != len(c.fields) {
			t.Fatalf("%v has %d fields, the schema %d", c.typ, c.typ.NumField(), len(c.fields))
		}
		var end uintptr
		for i, f := range c.fields {
			got := c.typ.Field(i)
			size := map[string]uintptr{"u8": 1, "u16": 2, "u32": 4, "u64": 8}[f.Type]
			switch n := f.Count.(type) {
			case int64:
				size *= uintptr(n)
			case string:
				size *= uintptr(counts[n])
			}
			if got.Name != f.Name || got.Offset != end || got.Type.Size() != size {
				t.Errorf("field %d is %s at %d with %d bytes, the schema has %s at %d with %d",
					i, got.Name, got.Offset, got.Type.Size(), f.Name, end, size)
			}
			end += size
		}
		if c.typ.Size() != c.size || end != c.size {
			t.Errorf("%v has %d bytes, its fields %d, the constant says %d", c.typ, c.typ.Size(), end, c.size)
		}
	}
}

// TestOffsetsAreThoseOfTheStruct: every generated offset, those that the
// engine uses and the ends above all.
func TestOffsetsAreThoseOfTheStruct(t *testing.T) {
	var e abi.Event
	var g abi.Gaps
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"Size", abi.EventSizeOffset, unsafe.Offsetof(e.Size)},
		{"Version", abi.EventVersionOffset, unsafe.Offsetof(e.Version)},
		{"Kind", abi.EventKindOffset, unsafe.Offsetof(e.Kind)},
		{"Phase", abi.EventPhaseOffset, unsafe.Offsetof(e.Phase)},
		{"Side", abi.EventSideOffset, unsafe.Offsetof(e.Side)},
		{"Protocol", abi.EventProtocolOffset, unsafe.Offsetof(e.Protocol)},
		{"NowMs", abi.EventNowMsOffset, unsafe.Offsetof(e.NowMs)},
		{"Random", abi.EventRandomOffset, unsafe.Offsetof(e.Random)},
		{"AgeMs", abi.EventAgeMsOffset, unsafe.Offsetof(e.AgeMs)},
		{"IdleMs", abi.EventIdleMsOffset, unsafe.Offsetof(e.IdleMs)},
		{"Requests", abi.EventRequestsOffset, unsafe.Offsetof(e.Requests)},
		{"Route", abi.EventRouteOffset, unsafe.Offsetof(e.Route)},
		{"Handshake", abi.EventHandshakeOffset, unsafe.Offsetof(e.Handshake)},
		{"RttUs", abi.EventRttUsOffset, unsafe.Offsetof(e.RttUs)},
		{"Pressure", abi.EventPressureOffset, unsafe.Offsetof(e.Pressure)},
		{"CeilingMs", abi.EventCeilingMsOffset, unsafe.Offsetof(e.CeilingMs)},
		{"ClientGapCount", abi.EventClientGapCountOffset, unsafe.Offsetof(e.ClientGapCount)},
		{"State", abi.EventStateOffset, unsafe.Offsetof(e.State)},
		{"Leases", abi.EventLeasesOffset, unsafe.Offsetof(e.Leases)},
		{"ClientGaps", abi.EventClientGapsOffset, unsafe.Offsetof(e.ClientGaps)},
		{"Generation", abi.GapsGenerationOffset, unsafe.Offsetof(g.Generation)},
		{"Route", abi.GapsRouteOffset, unsafe.Offsetof(g.Route)},
		{"Unit", abi.GapsUnitOffset, unsafe.Offsetof(g.Unit)},
		{"Returned", abi.GapsReturnedOffset, unsafe.Offsetof(g.Returned)},
		{"Gone", abi.GapsGoneOffset, unsafe.Offsetof(g.Gone)},
		{"Cut", abi.GapsCutOffset, unsafe.Offsetof(g.Cut)},
	} {
		if c.got != c.want {
			t.Errorf("offset of %s is %d, the struct has it at %d", c.name, c.got, c.want)
		}
	}
	if abi.EventUsed > abi.EventSize || abi.BufferSize != abi.EventSize+abi.GapsSize {
		t.Error("event, gaps and buffer do not fit together")
	}
	if abi.StateSize != len(e.State) || abi.Phases != len(e.Leases) || abi.ClientGaps != len(e.ClientGaps) || abi.Bins != len(g.Cut) {
		t.Error("array lengths are not the constants'")
	}
}
