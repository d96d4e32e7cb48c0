package tck

import (
	"encoding/binary"
	"fmt"

	"idlehost/sdk/abi"
)

// vector is one question as bytes.
type vector struct {
	name  string
	event abi.Event
	raw   []byte // the event in abi.EventSize bytes, and a histogram behind it
}

// vectors returns the questions that every rule asks, in order: all phases,
// those that there are not among them, all kinds, and events and histograms
// from nothing to everything.
func vectors() []vector {
	var all []vector
	for _, fill := range []string{"plain", "zero", "full"} {
		for phase := range 18 {
			if phase == 17 {
				phase = 255
			}
			for _, kind := range []abi.Kind{abi.KindAccept, abi.KindTimeout, abi.KindClose} {
				for _, books := range []string{"empty", "some", "full"} {
					e := event(fill, len(all), kind, uint8(phase))
					name := fmt.Sprintf("%s in phase %d, %s event, %s histogram", kind, phase, fill, books)
					all = append(all, vector{name, e, encode(e, gaps(books, len(all)))})
				}
			}
		}
	}
	return all
}

// event makes the n-th event.
func event(fill string, n int, kind abi.Kind, phase uint8) (e abi.Event) {
	switch fill {
	case "plain":
		e = plain(n)
	case "full":
		raw := make([]byte, abi.EventUsed)
		for i := range raw {
			raw[i] = 0xff
		}
		if _, err := binary.Decode(raw, binary.LittleEndian, &e); err != nil {
			panic(err) // BUG: Event is not of fixed size
		}
	}
	e.Size, e.Version, e.Kind, e.Phase = abi.EventUsed, abi.Version, uint8(kind), phase
	return e
}

// plain is what a host with usual settings says.
func plain(n int) abi.Event {
	e := abi.Event{
		Protocol: uint8(n % 5), Side: uint8(n % 2),
		NowMs: 1_700_000_000_000 + uint64(n)*250, Conn: uint64(n/9 + 1), Client: uint64(n%7 + 1), Random: uint64(n) * 0x9e3779b97f4a7c15,
		BytesIn: 4096, BytesOut: 1 << 20, AgeMs: 60_000, PhaseMs: 5000, IdleMs: 5000, ReadMs: 5000, WriteMs: 4990,
		ControlMs: abi.Never, DeadlineMs: 5000, Asks: uint32(n % 3), Requests: 12, Rate: 800, Handshake: 1,
		GapCount: 11, GapLastMs: 900, GapMeanMs: 1100, GapMaxMs: 30_000, RttUs: 30_000, RttVarUs: 5000, RecvMs: 5000,
		HoldBytes: 16_384, ReconnectUs: 90_000, WorthMs: 60_000, Pressure: uint16(n % 1001), PressureFds: uint16(n % 1001),
		TenantOpen: 900, TenantLimit: 1000, HostOpen: 12_000, HostLimit: 20_000, CeilingMs: 3_600_000,
		ClientConns: 3, ClientOpen: 1, ClientClosedMs: abi.Never, ClientGapCount: 32,
	}
	for i := range e.Leases {
		e.Leases[i] = 60_000
	}
	for i := range e.ClientGaps {
		e.ClientGaps[i] = uint32(250*(i+n%11)+1) | uint32(i%3)<<30
	}
	return e
}

// gaps makes the n-th histogram.
func gaps(fill string, n int) (g abi.Gaps) {
	g.Generation, g.Unit = uint32(n), 256
	for i := range g.Returned {
		switch fill {
		case "some":
			g.Returned[i], g.Gone[i], g.Cut[i] = uint32(100*(abi.Bins-i)), uint32(10*i), uint32(5*i)
		case "full":
			g.Returned[i], g.Gone[i], g.Cut[i] = 1<<32-1, 1<<32-1, 1<<32-1
		}
	}
	return g
}

// encode returns what a host of this version writes into a guest's buffer.
func encode(e abi.Event, g abi.Gaps) []byte {
	raw, err := binary.Append(make([]byte, 0, abi.BufferSize), binary.LittleEndian, e)
	if err == nil {
		raw = append(raw, make([]byte, abi.EventSize-len(raw))...)
		raw, err = binary.Append(raw, binary.LittleEndian, g)
	}
	if err != nil {
		panic(err) // BUG: Event or Gaps is not of fixed size
	}
	return raw
}
