package trace

import "idlehost/sdk/abi"

// stateWords is how many words a connection's state has.
const stateWords = abi.StateSize / 4

// usedWords is how many words of an event this version of the ABI fills.
const usedWords = abi.EventUsed / 4

// Where in an event's words, each four bytes of its little-endian layout, its
// parts begin.
const (
	wordWide    = abi.EventNowMsOffset / 4
	wordConn    = abi.EventConnOffset / 4
	wordMillis  = abi.EventAgeMsOffset / 4
	wordRoute   = abi.EventRouteOffset / 4
	wordGaps    = abi.EventGapCountOffset / 4
	wordFull    = abi.EventPressureOffset / 4
	wordTenant  = abi.EventTenantOpenOffset / 4
	wordState   = abi.EventStateOffset / 4
	wordLeases  = abi.EventLeasesOffset / 4
	wordClients = abi.EventClientGapsOffset / 4
)

func wide(e *abi.Event) [6]*uint64 {
	return [...]*uint64{&e.NowMs, &e.Conn, &e.Client, &e.Random, &e.BytesIn, &e.BytesOut}
}

func millis(e *abi.Event) [11]*uint32 {
	return [...]*uint32{
		&e.AgeMs, &e.PhaseMs, &e.IdleMs, &e.ReadMs, &e.WriteMs, &e.ControlMs,
		&e.DeadlineMs, &e.Asks, &e.Requests, &e.Streams, &e.Rate,
	}
}

func gaps(e *abi.Event) [12]*uint32 {
	return [...]*uint32{
		&e.GapCount, &e.GapLastMs, &e.GapMeanMs, &e.GapMaxMs, &e.RttUs, &e.RttVarUs,
		&e.RecvMs, &e.Unacked, &e.NotSent, &e.HoldBytes, &e.ReconnectUs, &e.WorthMs,
	}
}

func tenant(e *abi.Event) [14]*uint32 {
	return [...]*uint32{
		&e.TenantOpen, &e.TenantLimit, &e.HostOpen, &e.HostLimit, &e.FloorMs, &e.CeilingMs,
		&e.ClientConns, &e.ClientOpen, &e.ClientClosedMs, &e.ClientCutMs, &e.ClientLateMs,
		&e.ClientLate, &e.ClientCut, &e.ClientGapCount,
	}
}

// split lays an event out in words.
func split(e *abi.Event, w *[maxWords]uint32) {
	w[0] = uint32(e.Size) | uint32(e.Version)<<16
	w[1] = uint32(e.Kind) | uint32(e.Phase)<<8 | uint32(e.Side)<<16 | uint32(e.Protocol)<<24
	for i, p := range wide(e) {
		w[wordWide+2*i], w[wordWide+2*i+1] = uint32(*p), uint32(*p>>32)
	}
	for i, p := range millis(e) {
		w[wordMillis+i] = *p
	}
	w[wordRoute] = uint32(e.Route) | uint32(e.Handshake)<<16
	for i, p := range gaps(e) {
		w[wordGaps+i] = *p
	}
	w[wordFull] = uint32(e.Pressure) | uint32(e.PressureConns)<<16
	w[wordFull+1] = uint32(e.PressureFds) | uint32(e.PressureMemory)<<16
	for i, p := range tenant(e) {
		w[wordTenant+i] = *p
	}
	for i := range stateWords {
		s := e.State[4*i : 4*i+4]
		w[wordState+i] = uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
	}
	copy(w[wordLeases:], e.Leases[:])
	copy(w[wordClients:], e.ClientGaps[:])
}

// join is the inverse of split.
func join(w *[maxWords]uint32, e *abi.Event) {
	e.Size, e.Version = uint16(w[0]), uint16(w[0]>>16)
	e.Kind, e.Phase, e.Side, e.Protocol = uint8(w[1]), uint8(w[1]>>8), uint8(w[1]>>16), uint8(w[1]>>24)
	for i, p := range wide(e) {
		*p = uint64(w[wordWide+2*i]) | uint64(w[wordWide+2*i+1])<<32
	}
	for i, p := range millis(e) {
		*p = w[wordMillis+i]
	}
	e.Route, e.Handshake = uint16(w[wordRoute]), uint16(w[wordRoute]>>16)
	for i, p := range gaps(e) {
		*p = w[wordGaps+i]
	}
	e.Pressure, e.PressureConns = uint16(w[wordFull]), uint16(w[wordFull]>>16)
	e.PressureFds, e.PressureMemory = uint16(w[wordFull+1]), uint16(w[wordFull+1]>>16)
	for i, p := range tenant(e) {
		*p = w[wordTenant+i]
	}
	for i := range stateWords {
		v := w[wordState+i]
		copy(e.State[4*i:], []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
	}
	copy(e.Leases[:], w[wordLeases:])
	copy(e.ClientGaps[:], w[wordClients:])
}

// expect puts into words what an event of conn at the state's time most likely
// says of both.
func (s *state) expect(conn uint64) {
	now := uint64(s.start + s.time/1e6)
	s.words[wordWide], s.words[wordWide+1] = uint32(now), uint32(now>>32)
	s.words[wordConn], s.words[wordConn+1] = uint32(conn), uint32(conn>>32)
}

// expectLeases puts into words the leases that an event most likely has, and
// returns where its own are to be kept for the next.
func (s *state) expectLeases(older bool) *leases {
	put := &s.put[0]
	if older {
		put = &s.put[1]
	}
	copy(s.words[wordLeases:], put[:])
	return put
}

// leasesBefore returns the leases that an answer most likely has.
func (s *state) leasesBefore(set bool) leases {
	if set {
		return s.set
	}
	return leases(s.words[wordLeases : wordLeases+abi.Phases])
}
