package check

import (
	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// scene is the circumstances of a connection; reports name it. Questions are asked
// in every phase of each scene.
type scene struct {
	name  string
	side  abi.Side
	idles []uint32 // milliseconds after which a timeout is asked about
	gaps  *policy.Gaps
	// set changes an event of a client's first connection into the scene's.
	set func(e *policy.Event)
}

const (
	second = 1000
	minute = 60 * second
)

// scenes lists them, from the usual to the barely possible.
func scenes() []scene {
	return []scene{
		{"first visit", abi.SideAccepted, []uint32{10 * second, 75 * second}, gaps(1, noGaps), func(*policy.Event) {}},
		{"regular", abi.SideAccepted, []uint32{second, 10 * second, minute, 10 * minute}, gaps(2, habitGaps), regular},
		{"never returns", abi.SideAccepted, []uint32{10 * second, 2 * minute}, gaps(3, leftGaps), neverReturns},
		{"not known", abi.SideAccepted, []uint32{minute}, nil, unknown},
		{"upstream", abi.SideDialled, []uint32{10 * second, 2 * minute}, gaps(4, habitGaps), upstream},
		{"host full", abi.SideAccepted, []uint32{10 * second, minute}, gaps(5, fullGaps), crowded},
		{"extreme", abi.SideAccepted, []uint32{0, abi.Never - 1}, gaps(6, fullGaps), extreme},
	}
}

// firstConnection is the event of a client's first connection, in the host's
// default configuration.
func firstConnection(side abi.Side) policy.Event {
	t := config.Default().Timeouts
	e := policy.Event{
		Side: uint8(side), Client: 0x243f6a8885a308d3,
		ControlMs: abi.Never, RecvMs: abi.Never, ClientClosedMs: abi.Never,
		Handshake: 1, RttUs: 24_000, RttVarUs: 6_000, HoldBytes: 12 << 10, ReconnectUs: 72_000,
		WorthMs: policy.Millis(t.Worth.D()), FloorMs: policy.Millis(t.Floor.D()), CeilingMs: policy.Millis(t.Ceiling.D()),
		TenantOpen: 120, HostOpen: 300, HostLimit: 10_000, Pressure: 30, PressureConns: 30, PressureFds: 12, PressureMemory: 20,
		ClientConns: 1, ClientOpen: 1,
	}
	law := t.Accepted()
	if side == abi.SideDialled {
		law = t.Dialled()
	}
	for i := range law {
		e.Leases[i] = policy.Millis(law[i].Idle)
	}
	return e
}

// regular is a client that sends a request every few seconds.
func regular(e *policy.Event) {
	e.Requests, e.BytesIn, e.BytesOut, e.Route, e.Handshake = 12, 6_400, 480_000, 1, 2
	e.GapCount, e.GapLastMs, e.GapMeanMs, e.GapMaxMs = 11, 4_200, 5_100, 31_000
	e.ClientConns, e.ClientOpen, e.ClientGapCount = 9, 2, 64
	e.ClientClosedMs, e.ClientCutMs, e.ClientLateMs, e.ClientLate, e.ClientCut = 40*minute, 75*second, 80*second, 1, 3
	for i := range e.ClientGaps {
		e.ClientGaps[i] = uint32(2*second + 400*(i*i%23))
	}
	e.ClientGaps[5] = 3*minute | uint32(abi.GapKindGone)<<30
}

// neverReturns is a client that has never come back.
func neverReturns(e *policy.Event) {
	e.Requests, e.BytesIn, e.BytesOut = 1, 300, 9_000
	e.ClientConns, e.ClientCut, e.ClientClosedMs, e.ClientCutMs = 30, 29, 5*minute, 75*second
	for i := range e.ClientGaps {
		e.ClientGaps[i] = 75*second | uint32(abi.GapKindCut)<<30
	}
	e.ClientGapCount = abi.ClientGaps
}

// unknown is a host without books, and a kernel that tells nothing.
func unknown(e *policy.Event) {
	e.Client, e.RttUs, e.RttVarUs, e.ReconnectUs, e.WorthMs, e.HostLimit = 0, 0, 0, 0, 0, 0
	e.ClientConns, e.ClientOpen = 0, 0
	e.CeilingMs, e.FloorMs = abi.Never, 0
}

func upstream(e *policy.Event) {
	e.Requests, e.BytesIn, e.BytesOut, e.Handshake = 40, 2<<20, 64<<10, 0
	e.GapCount, e.GapLastMs, e.GapMeanMs, e.GapMaxMs = 39, 900, 1_500, 12_000
	e.RttUs, e.RttVarUs, e.ReconnectUs = 300, 100, 600
}

func crowded(e *policy.Event) {
	regular(e)
	e.Pressure, e.PressureConns, e.PressureFds, e.PressureMemory = 1000, 1000, 970, 910
	e.TenantOpen, e.TenantLimit, e.HostOpen, e.HostLimit = 4_000, 4_000, 10_000, 10_000
}

// extreme has every field at the largest value that it can have.
func extreme(e *policy.Event) {
	const most = abi.Never
	crowded(e)
	e.Client, e.BytesIn, e.BytesOut = 1<<64-1, 1<<63, 1<<63
	e.PressureFds, e.PressureMemory = 1000, 1000
	e.ControlMs, e.ClientCutMs, e.ClientLateMs, e.ClientClosedMs = most-1, most-1, most-1, most-1
	e.Requests, e.Streams, e.Rate, e.Route, e.Handshake = most, most, most, 63, 2
	e.GapCount, e.GapLastMs, e.GapMeanMs, e.GapMaxMs, e.ClientGapCount = most, most-1, most-1, most-1, most
	e.RttUs, e.RttVarUs, e.Unacked, e.NotSent, e.HoldBytes, e.ReconnectUs = most, most, most, most, most, most
	e.WorthMs, e.CeilingMs, e.FloorMs = most-1, most, most-1
	e.TenantOpen, e.TenantLimit, e.HostOpen, e.HostLimit = most, most, most, most
	e.ClientConns, e.ClientOpen, e.ClientLate, e.ClientCut = most, most, most, most
	for i := range e.ClientGaps {
		e.ClientGaps[i] = 1<<30 - 1 | uint32(i%3)<<30
	}
	for i := range e.Leases {
		e.Leases[i] = most - 1
	}
}
